# %% [markdown]
# # 用 Streamlit 做同一个聊天机器人
#
# 不论哪个用户，每次点击、每次提问，Streamlit 都把整个脚本从头到尾重跑一遍。
# 运行结束后还要留着的东西，得有地方存：模型放进所有会话共用的缓存，
# 对话放进单个会话的状态。
#
# 补全每处空缺（`raise NotImplementedError`）；页面由 `main` 画出。
# 用 `tutor check week6/streamlit_chat` 批改。

# %%
from collections.abc import Iterator

import streamlit as st

from exercises.week6 import engine

MAX_TEMPERATURE = 1.5
MAX_TOKENS = 512

# %% [markdown]
# ## 1. 只加载一次
#
# `engine.load` 给出 SmolLM2-135M，或你指定的 GGUF 文件（你自己从工坊导出的）。


# %%
def load_engine(path: str | None = None) -> engine.Engine:
    """返回本进程唯一的引擎，不管谁来要。"""
    raise NotImplementedError("load_engine：engine.load，所有运行和用户总共一次")


# %% [markdown]
# ## 2. 设置


# %%
def settings() -> tuple[str, float, int]:
    """画出侧栏，返回 (系统提示, 温度, 最大 token 数)。"""
    # 各自的 key："system"（文本）、"temperature"（0.0 到 1.5）、"max_tokens"（1 到 512），
    # 还有一个按钮 "clear"，用来开始新对话。
    raise NotImplementedError("settings：侧栏里的三项设置和一个按钮")


# %% [markdown]
# ## 3. 对话


# %%
def draw(messages: engine.Messages) -> None:
    """画出到目前为止的对话：每次运行开始时，页面都是空的。"""
    raise NotImplementedError("draw：每条消息一个 st.chat_message")


def answer(pieces: Iterator[str]) -> str:
    """把片段作为助手的消息边来边画，并返回全文。"""
    raise NotImplementedError("answer：st.chat_message 里的 st.write_stream")


def main() -> None:
    st.title("My model")
    raise NotImplementedError("main：引擎、对话、设置、提问和回答")


# %% [markdown]
# ## 试一试
#
# `streamlit run streamlit_chat.py`

# %%
if __name__ == "__main__":
    main()
