"""What models answer to the training prompts: the chat model as a writer of better answers, the
base as a source of worse ones. Optional, because a reply costs seconds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.engine import ChatClient, EngineError
from tutor.engine.process import find
from tutor.engine.serve import serving
from tutor.workshop.own.journal import Journal
from tutor.workshop.own.material import Agent, Example, Rejected

TOKENS = 96
CONTEXT = 4096
STOP = ("\n\n", "```")
AGREES = 0.4
"""Share of the source sentence's words that the writer's answer must have: else it answers
something else that the passages also say."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """How many answers to ask of the writer (`writer`: a chat model) and of the base."""

    writer: str = ""
    written: int = 0
    base: str = ""
    own: int = 0


def add(
    examples: list[Example], agent: Agent, wish: Wish, folder: Path, tell: Say
) -> list[Example]:
    """Return the examples with the writer's answers in place of the source's sentence, where the
    checks accept them and they agree with it; and with the base's own answers among the rejected
    ones, where the checks refuse them. Goes on where an earlier attempt was ended."""
    plain = [place for place, one in enumerate(examples) if one.kind != "unanswerable"]
    made = list(examples)
    if wish.written and wish.writer:
        asked = plain[:: max(1, len(plain) // wish.written)][: wish.written]
        said = ask(wish.writer, examples, asked, folder / "writer.jsonl", tell)
        for place, text in said.items():
            if _agrees(text, made[place]) and not judged(agent, made[place], text):
                made[place] = replace(made[place], answer=text, kind="written")
    if wish.own and wish.base:
        asked = plain[1 :: max(1, len(plain) // wish.own)][: wish.own]
        said = ask(wish.base, examples, asked, folder / "base.jsonl", tell)
        for place, text in said.items():
            fault = judged(agent, made[place], text)
            if fault not in ("", "uncited", "empty"):
                own = Rejected("own", text)
                made[place] = replace(made[place], rejected=(own, *made[place].rejected))
    return made


def judged(agent: Agent, example: Example, text: str) -> str:
    """Judge an answer by the passages that the example was made with."""
    return agent.judge(agent.scene(example.question, example.lang, example.passages), text)


def _agrees(text: str, example: Example) -> bool:
    wanted = set(re.findall(r"\w{4,}", example.answer.lower()))
    return len(wanted & set(re.findall(r"\w{4,}", text.lower()))) >= AGREES * len(wanted)


def ask(
    model: str, examples: Sequence[Example], places: Sequence[int], path: Path, tell: Say
) -> dict[int, str]:
    """Return the model's answer to the examples at these places, as the agent would ask for it."""
    journal = Journal(path)
    known = {row["question"]: row["reply"] for row in journal.read()}
    todo = [place for place in places if examples[place].question not in known]
    if todo:
        tell(say(f"asking {model} for {len(todo)} answers", f"请 {model} 写 {len(todo)} 个回答"))
        with serving(find(model), context_tokens=CONTEXT) as endpoint:

            async def all_of_them() -> None:
                async with ChatClient(endpoint) as client:
                    for place in todo:
                        one = examples[place]
                        known[one.question] = reply = await _reply(client, one)
                        journal.append({"question": one.question, "reply": reply})

            asyncio.run(all_of_them())
    return {place: known[examples[place].question] for place in places}


async def _reply(client: ChatClient, one: Example) -> str:
    """Return one answer; an empty one where the machine was too busy for it, as there are others."""
    try:
        reply = await client.complete(one.write, max_tokens=TOKENS, stop=STOP)
    except EngineError as error:
        if error.code is not Exit.TIMED_OUT:
            raise
        return ""
    return reply.strip()
