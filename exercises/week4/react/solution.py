# %% [markdown]
# # A ReAct loop
#
# Yao et al. 2022, "ReAct: Synergizing Reasoning and Acting in Language Models"
# (arXiv 2210.03629): the model writes a thought and an action, your program runs the action and
# appends what came back, until the model gives its final answer.

# %%
import inspect
import json
import re
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
# The form is explained once, the tools are named with their parameters and docstrings, and the
# question comes last. The model goes on with `Thought:`.

# %%
FORM = """Answer the question. Write one step at a time, in this form:

Thought: what you know, and what you need next
Action: the name of one tool
Action Input: its arguments as a JSON object, for example {"name": "value"}

Then stop: the result is given to you as an Observation. When you know the answer, write:

Thought: why you are done
Final Answer: the answer
"""


def build_prompt(question: str, tools: Tools) -> str:
    """Return the text before the first turn; its last line is "Question: ..."."""
    described = "\n".join(
        f"- {name}{inspect.signature(tool)}: {inspect.getdoc(tool)}" for name, tool in tools.items()
    )
    return f"{FORM}\nTools:\n{described}\n\nQuestion: {question}\n"


# %% [markdown]
# ## One turn

# %%
LABEL = re.compile(r"^(Thought|Action Input|Action|Observation|Final Answer):", re.MULTILINE)


def parse(text: str) -> Turn:
    """Return the parts of what the model wrote in one turn.

    A label counts at the beginning of a line. An observation is never the model's to write: the
    text ends there. A final answer after an action was written without having seen the result:
    the action counts.
    """
    _, *pieces = LABEL.split(text)  # what precedes the first label, then label, body, label, ...
    parts: dict[str, str] = {}
    for label, body in zip(pieces[::2], pieces[1::2], strict=True):
        if label == "Observation" or (label == "Final Answer" and "Action" in parts):
            break
        parts.setdefault(label, body.strip())
        if label == "Final Answer":
            break
    return Turn(
        parts.get("Thought", ""),
        parts.get("Action"),
        parts.get("Action Input"),
        parts.get("Final Answer"),
    )


# %% [markdown]
# ## One action
#
# Whatever goes wrong here is news for the model, not the end of the program.


# %%
def run_tool(tools: Tools, name: str, action_input: str | None) -> str:
    """Call a tool with the JSON object in action_input ("" and None: no arguments).

    Return its result as text, or a text that begins with "Error:" and says what to do better.
    """
    if name not in tools:
        return f"Error: there is no tool {name!r}. The tools are: {', '.join(tools)}."
    try:
        arguments = json.loads(action_input or "{}")
    except json.JSONDecodeError as error:
        return f"Error: the Action Input is not JSON ({error}). Write an object with the arguments."
    if not isinstance(arguments, dict):
        return f"Error: the Action Input is a {type(arguments).__name__}, not a JSON object."
    try:
        return str(tools[name](**arguments))
    except Exception as error:  # noqa: BLE001 - a tool is anybody's code; the model shall read it
        return f"Error: {name} failed: {type(error).__name__}: {error}"


# %% [markdown]
# ## The loop

# %%
STOP = ["\nObservation:"]
REPAIR = (
    "Error: this step has neither an Action nor a Final Answer. Write Action and Action Input, "
    "or Final Answer."
)


def react(question: str, model: Model, tools: Tools, max_steps: int = 6) -> Result:
    """Run the loop with at most max_steps calls of the model.

    A turn with neither action nor answer gets one repair message; a second one in a row ends the
    loop. Only what the model wrote in its newest turn can become an action.
    """
    transcript = build_prompt(question, tools)
    steps: list[Step] = []
    malformed = 0  # in a row
    while len(steps) < max_steps:
        text = own_words(model(transcript, STOP))
        turn = parse(text)
        transcript += text + "\n"
        if turn.answer is not None:
            return Result(turn.answer, "answer", [*steps, Step(turn)], transcript)
        if turn.action is None:
            malformed += 1
            if malformed == 2:
                return Result(None, "format", [*steps, Step(turn)], transcript)
            observation = REPAIR
        else:
            malformed = 0
            observation = run_tool(tools, turn.action, turn.action_input)
        steps.append(Step(turn, observation))
        transcript += f"Observation: {one_line(observation)}\n"
    return Result(None, "limit", steps, transcript)


def own_words(text: str) -> str:
    """Return the turn without an observation that the model made up: some ignore stop strings."""
    return re.split(r"^Observation:", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def one_line(observation: str) -> str:
    """Return the text as one line: what a tool read somewhere cannot begin a line with "Action:",
    and no reader of the transcript can take it for the model's."""
    return " ".join(observation.split())


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
