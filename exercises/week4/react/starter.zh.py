# %% [markdown]
# # ReAct 循环
#
# Yao 等，2022，“ReAct: Synergizing Reasoning and Acting in Language Models”
# （arXiv 2210.03629）：模型写出思考和行动，你的程序执行行动，把返回的结果接在后面，
# 直到模型给出最终答案。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week4/react` 批改。

# %%
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Model = Callable[[str, list[str]], str]
"""model(prompt, stop) -> 提示之后的文本，截止到第一个停止串之前。"""
Tools = dict[str, Callable[..., Any]]


@dataclass(frozen=True)
class Turn:
    """模型在一次调用中写的内容，已解析。None：没有写这一部分。"""

    thought: str = ""
    action: str | None = None
    action_input: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Step:
    """一轮输出和程序的回应；结束循环的那一轮没有观察。"""

    turn: Turn
    observation: str | None = None


@dataclass(frozen=True)
class Result:
    """answer：循环结束时仍没有答案则为 None。stopped："answer"、"limit" 或 "format"。
    transcript：完整的记录，含提示。steps：模型每被调用一次就有一个。"""

    answer: str | None
    stopped: str
    steps: list[Step]
    transcript: str


# %% [markdown]
# ## 提示
#
# 格式说明一次，再列出每个工具的名字、参数和文档字符串（`inspect.signature`、
# `inspect.getdoc`），问题放在最后。模型从 `Thought:` 接着写。


# %%
def build_prompt(question: str, tools: Tools) -> str:
    """返回第一轮之前的文本；最后一行是 "Question: ..."。"""
    raise NotImplementedError("build_prompt：格式、工具、问题")


# %% [markdown]
# ## 一轮输出
#
# ```
# Thought: 任意文字，可以有好几行
# Action: seats
# Action Input: {"train": "Heron"}
# ```
#
# 或者是一段思考加上 `Final Answer: ...`。


# %%
def parse(text: str) -> Turn:
    """返回模型一轮输出中的各个部分，首尾空白都去掉。

    标签只在行首才算。观察绝不该由模型来写：遇到它，文本到此为止。行动之后又写了最终答案的，
    是还没看到结果就写的：以行动为准。
    """
    raise NotImplementedError("parse：思考、行动、行动输入、最终答案")


# %% [markdown]
# ## 一次行动
#
# 这里无论出什么错，都是要告诉模型的消息，程序不能因此终止。


# %%
def run_tool(tools: Tools, name: str, action_input: str | None) -> str:
    """用 action_input 里的 JSON 对象调用一个工具（"" 和 None：没有参数）。

    以文本返回它的结果；出错时返回以 "Error:" 开头、说明怎样改正的文本：工具不存在时，
    给出现有工具的名字；工具抛异常时，给出异常的名字和内容。
    """
    raise NotImplementedError("run_tool：按关键字调用，或说明错在哪里")


# %% [markdown]
# ## 循环


# %%
def react(question: str, model: Model, tools: Tools, max_steps: int = 6) -> Result:
    """运行循环，最多调用模型 max_steps 次。

    每次调用都给出到目前为止的完整 transcript 和停止串。既无行动也无答案的一轮，得到一条
    纠错提示（"Error: ..."）；连续第二次就结束循环（"format"）。只有模型在最新一轮写的内容
    才能成为行动。无论工具返回什么，观察在 transcript 里都只占一行。
    """
    raise NotImplementedError("react：调用、解析、行动、接上，直到有答案或达到上限")


# %% [markdown]
# ## 试一试
#
# 先用一个照剧本念词的模型；愿意的话，再用 tutor 的对话模型。


# %%
def multiply(a: float, b: float) -> float:
    """两个数的乘积。"""
    return a * b


def seats(train: str) -> int:
    """某列火车每节车厢的座位数，按车名查。"""
    return {"Comet": 64, "Heron": 48}[train]


if __name__ == "__main__":
    QUESTION = "The Heron has 17 cars. How many seats does the whole train have?"
    SCRIPT = iter(
        [
            'Thought: I need the seats of a car.\nAction: seats\nAction Input: {"name": "Heron"}',
            'Thought: It is `train`.\nAction: seats\nAction Input: {"train": "Heron"}',
            'Thought: 17 times 48.\nAction: multiply\nAction Input: {"a": 17, "b": 48}',
            "Thought: That is it.\nFinal Answer: 816",
        ]
    )
    TOOLS: Tools = {"multiply": multiply, "seats": seats}
    print(react(QUESTION, lambda prompt, stop: next(SCRIPT), TOOLS).transcript)

    WITH_MODEL = False  # True：tutor 的对话模型也试一次，要一两分钟
    if WITH_MODEL:
        from llama_cpp import Llama

        from tutor.base import assets

        llm = Llama(str(assets.path("qwen2.5-coder-1.5b")), n_ctx=2048, verbose=False)

        def local(prompt: str, stop: list[str]) -> str:
            out = llm.create_completion(prompt, max_tokens=120, temperature=0, stop=stop)
            return out["choices"][0]["text"]

        result = react(QUESTION, local, TOOLS)
        print("--- the local model:", result.stopped, result.answer)
        for step in result.steps:
            print(step)
