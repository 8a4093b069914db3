# %% [markdown]
# # A ReAct loop
#
# Yao et al. 2022, "ReAct: Synergizing Reasoning and Acting in Language Models"
# (arXiv 2210.03629): the model writes a thought and an action, your program runs the action and
# appends what came back, until the model gives its final answer.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week4/react`.

# %%
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Model = Callable[[str, list[str]], str]
"""model(prompt, stop) -> the text that follows the prompt, ended before the first stop string."""
Tools = dict[str, Callable[..., Any]]


@dataclass(frozen=True)
class Turn:
    """What the model wrote in one call, parsed. None: it wrote no such part."""

    thought: str = ""
    action: str | None = None
    action_input: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Step:
    """One turn and what the program answered; a turn that ends the loop has no observation."""

    turn: Turn
    observation: str | None = None


@dataclass(frozen=True)
class Result:
    """answer: None where the loop ended without one. stopped: "answer", "limit" or "format".
    transcript: all of it, prompt included. steps: one for each call of the model."""

    answer: str | None
    stopped: str
    steps: list[Step]
    transcript: str


# %% [markdown]
# ## The prompt
#
# Explain the form once, name each tool with its parameters and its docstring (`inspect.signature`,
# `inspect.getdoc`), and put the question last. The model goes on with `Thought:`.


# %%
def build_prompt(question: str, tools: Tools) -> str:
    """Return the text before the first turn; its last line is "Question: ..."."""
    raise NotImplementedError("build_prompt: the form, the tools, the question")


# %% [markdown]
# ## One turn
#
# ```
# Thought: free text, perhaps over several lines
# Action: seats
# Action Input: {"train": "Heron"}
# ```
#
# or a thought and `Final Answer: ...`.


# %%
def parse(text: str) -> Turn:
    """Return the parts of what the model wrote in one turn, without blanks around them.

    A label counts at the beginning of a line. An observation is never the model's to write: the
    text ends there. A final answer after an action was written without having seen the result:
    the action counts.
    """
    raise NotImplementedError("parse: thought, action, action input, final answer")


# %% [markdown]
# ## One action
#
# Whatever goes wrong here is news for the model, not the end of the program.


# %%
def run_tool(tools: Tools, name: str, action_input: str | None) -> str:
    """Call a tool with the JSON object in action_input ("" and None: no arguments).

    Return its result as text, or a text that begins with "Error:" and says what to do better: for
    an unknown tool the names that there are, for a tool that raised the exception's name and text.
    """
    raise NotImplementedError("run_tool: call it by keyword, or say what was wrong")


# %% [markdown]
# ## The loop


# %%
def react(question: str, model: Model, tools: Tools, max_steps: int = 6) -> Result:
    """Run the loop with at most max_steps calls of the model.

    Each call gets the whole transcript so far and the stop strings. A turn with neither action
    nor answer gets one repair message ("Error: ..."); a second one in a row ends the loop
    ("format"). Only what the model wrote in its newest turn can become an action. An observation
    is one line of the transcript, whatever the tool returned.
    """
    raise NotImplementedError("react: call, parse, act, append, until the answer or the limit")


# %% [markdown]
# ## Try it
#
# With a model that recites a script; then, if you like, with the tutor's chat model.


# %%
def multiply(a: float, b: float) -> float:
    """The product of two numbers."""
    return a * b


def seats(train: str) -> int:
    """The number of seats in each car of a train, by the train's name."""
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

    WITH_MODEL = False  # True: the tutor's chat model tries too, for a minute or two
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
