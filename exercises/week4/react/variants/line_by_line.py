# Another style: a parser that walks line by line, a recursive loop, error messages of its own.

# %%
import json
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

Model = Callable[[str, list[str]], str]
Tools = dict[str, Callable[..., Any]]


@dataclass(frozen=True)
class Turn:
    thought: str = ""
    action: str | None = None
    action_input: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Step:
    turn: Turn
    observation: str | None = None


@dataclass(frozen=True)
class Result:
    answer: str | None
    stopped: str
    steps: list[Step]
    transcript: str


# %%
def build_prompt(question: str, tools: Tools) -> str:
    lines = ["You may use these tools:"]
    for name in sorted(tools):
        parameters = ", ".join(signature(tools[name]).parameters)
        lines.append(f"  {name}({parameters}) - {tools[name].__doc__}")
    lines += [
        "Always write Thought: and then either the two lines",
        "Action: <tool>",
        "Action Input: <JSON object>",
        "or the line",
        "Final Answer: <answer>",
        "",
        "Question: " + question,
    ]
    return "\n".join(lines)


# %%
FIELDS = {
    "Thought:": "thought",
    "Action:": "action",
    "Action Input:": "action_input",
    "Final Answer:": "answer",
}


def parse(text: str) -> Turn:
    found: dict[str, list[str]] = {}
    current: list[str] = found.setdefault("thought", [])
    for line in text.split("\n"):
        if line.startswith("Observation:"):
            break
        label = next((mark for mark in FIELDS if line.startswith(mark)), None)
        if label == "Final Answer:" and "action" in found:
            break
        if label:
            current = found.setdefault(FIELDS[label], [])
            line = line[len(label) :]
        current.append(line)
    return Turn(**{name: "\n".join(lines).strip() for name, lines in found.items()})


# %%
def run_tool(tools: Tools, name: str, action_input: str | None) -> str:
    tool = tools.get(name)
    if tool is None:
        return "Error: unknown tool. Choose one of " + " | ".join(sorted(tools))
    try:
        arguments = json.loads(action_input) if action_input else {}
        return format(tool(**arguments))
    except Exception as problem:  # noqa: BLE001 - whatever a tool raises
        return f"Error: {problem!r}"


# %%
def react(question: str, model: Model, tools: Tools, max_steps: int = 6) -> Result:
    return _go_on(build_prompt(question, tools), model, tools, max_steps, [], False)


def _go_on(
    transcript: str, model: Model, tools: Tools, left: int, steps: list[Step], failed: bool
) -> Result:
    if left == 0:
        return Result(None, "limit", steps, transcript)
    text = model(transcript + "\n", ["Observation:", "Question:"])
    text = ("\n" + text).split("\nObservation:")[0].strip("\n ")
    turn = parse(text)
    transcript += "\n" + text
    if turn.answer is not None:
        return Result(turn.answer, "answer", [*steps, Step(turn)], transcript)
    aimless = turn.action is None
    if aimless and failed:
        return Result(None, "format", [*steps, Step(turn)], transcript)
    if aimless:
        observation = "Error: write an Action or a Final Answer, please."
    else:
        observation = run_tool(tools, turn.action, turn.action_input)
    transcript += "\nObservation: " + observation.replace("\n", " / ")
    return _go_on(transcript, model, tools, left - 1, [*steps, Step(turn, observation)], aimless)
