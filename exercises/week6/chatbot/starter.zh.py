# %% [markdown]
# # 用 Gradio 做聊天机器人
#
# 把底座和你自己的适配器放到界面后面：流式输出、能停，并限制用户能设的值。
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week6/chatbot` 批改。

# %%
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import torch

from exercises import lab  # noqa: F401

MAX_TEMPERATURE = 1.5
MAX_TOKENS = 512
MAX_MESSAGE = 2000  # 字符
MAX_SYSTEM = 1000

# %% [markdown]
# ## 1. 模型只加载一次


# %%
def load_model(adapter: str | Path | None = None):
    """返回 (model, tokenizer)：底座；给了文件夹，就装上其中的适配器。

    适配器加载不了就抛出异常：否则作答的只是底座，却没有人知道。
    """
    # peft.PeftModel.from_pretrained 把适配器装到模型上。
    raise NotImplementedError("load_model：底座，再装上适配器")


# %% [markdown]
# ## 2. 逐个产出 token
#
# 每个 token 一次前向传播，使用 KV 缓存。关闭这个生成器，模型就停下：
# 有人要下一段，循环才往下走。


# %%
def choose(logits: torch.Tensor, temperature: float) -> int:
    """返回下一个 token：温度为 0 时取概率最大的，否则采样。"""
    raise NotImplementedError("choose：概率最大的 token，或采样")


@torch.inference_mode()
def stream(model, tokenizer, messages: list[dict], temperature: float, max_tokens: int):
    """逐段产出对 messages 的回答文本，总共不超过 max_tokens 个 token。"""
    # model(input_ids=(1, 提示长度), use_cache=True) 给出 .logits (1, 提示长度, 词表大小) 和
    # .past_key_values；之后只喂最新的一个 token，并传入 past_key_values=...
    raise NotImplementedError("stream：逐个 token，直到结束 token 或上限")


def encode(tokenizer, messages: list[dict]) -> list[int]:
    """返回对话的 token，到助手的回答即将开始处为止。"""
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)[
        "input_ids"
    ]


# %% [markdown]
# ## 3. 对话要放得下


# %%
def fit(tokenizer, messages: list[dict], budget: int) -> list[dict]:
    """返回丢掉最旧轮次之后的消息，使其 token 数不超过 budget。

    系统提示和最后的问题要留下；问和答一起丢。
    光是系统提示和最后的问题就太长时，抛出 ValueError。
    """
    raise NotImplementedError("fit：丢掉最旧的轮次，直到其余的放得下")


# %% [markdown]
# ## 4. 应用


# %%
def check(message: str, system: str, temperature: float, max_tokens: float) -> None:
    """服务端不接受的请求一律抛出 gr.Error，不管界面放过了什么。"""
    raise NotImplementedError("check：gr.Error，消息里写明界限")


def as_text(content) -> str:
    """返回一条消息的文本：来自 API 的是字符串，来自浏览器的是由片段组成的列表。"""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def build_app(model, tokenizer) -> gr.Blocks:
    """返回应用；它的接口是 /chat(消息, 系统提示, 温度, 最大 token 数)。"""

    def chat(message, history, system, temperature, max_tokens) -> Iterator[str]:
        """反复产出到目前为止的回答。history：本次会话的各条 {"role", "content"}。"""
        check(message, system, temperature, max_tokens)
        raise NotImplementedError("chat：消息、fit、stream")

    # gr.ChatInterface 接受 additional_inputs（次序与函数最后几个参数一致）
    # 和 api_name="chat"。
    raise NotImplementedError("build_app：用 ChatInterface 包住 chat")


# %% [markdown]
# ## 试一试
#
# 在浏览器里打开这个地址；按 Ctrl-C 结束。使用你第 5 周的适配器：
# `python chatbot.py ../lora/runs/<run>/adapter`

# %%
if __name__ == "__main__":
    import sys

    MODEL, TOKENIZER = load_model(sys.argv[1] if len(sys.argv) > 1 else None)
    ASKED = [{"role": "user", "content": "What is a lighthouse for?"}]
    for PIECE in stream(MODEL, TOKENIZER, ASKED, temperature=0, max_tokens=40):
        print(PIECE, end="", flush=True)
    print()
    build_app(MODEL, TOKENIZER).queue(max_size=8).launch(server_name="127.0.0.1")
