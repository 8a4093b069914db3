"""Two answers of the model to one prompt, for the learner to choose between.

They differ in seed and temperature. Which temperature stands first is drawn by lot: else a liking
for the first answer could not be told from a liking for the cooler one.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tutor import engine
from tutor.base.errors import TutorError
from tutor.base.i18n import detect, say
from tutor.base.settings import Settings
from tutor.progress.preferences import Pair

TEMPERATURES = (0.6, 1.0)
TOKENS = 160
TRIES = 3
"""So often an answer is drawn that is empty or equal to the other one."""


@dataclass(frozen=True)
class Piece:
    """Some text of an answer: the first (0) or the second (1)."""

    side: int
    text: str


@dataclass(frozen=True)
class Anew:
    """An answer said nothing, or what the other one says: it is drawn again."""

    side: int


@dataclass(frozen=True)
class Drawn:
    """Both answers are there."""

    pair: Pair


async def draw(
    prompt: str, *, settings: Settings, dice: random.Random
) -> AsyncIterator[Piece | Anew | Drawn]:
    """Ask the model twice; yield what it says as it comes, the last event being Drawn.

    Closing the iterator stops the generation. Raises MissingError where the model is not there,
    EngineError where the engine ends in the middle, TutorError where there are no two answers.
    """
    endpoint = await engine.ready(settings)
    temperatures = dice.sample(TEMPERATURES, 2)
    answers: list[str] = []
    async with engine.ChatClient(endpoint) as client:
        for side, temperature in enumerate(temperatures):
            for _ in range(TRIES):
                answer = ""
                async for text in client.stream(
                    [{"role": "user", "content": prompt}],
                    max_tokens=TOKENS,
                    temperature=temperature,
                    seed=dice.randrange(2**31),
                ):
                    answer += text
                    yield Piece(side, text)
                answer = answer.strip()
                if answer and answer not in answers:
                    break
                yield Anew(side)
            else:
                raise _no_pair(answer)
            answers.append(answer)
    first, second = answers
    one, two = temperatures
    yield Drawn(Pair(prompt, first, second, endpoint.model, one, two, detect(prompt)))


def _no_pair(answer: str) -> TutorError:
    hint = say("Go on with another prompt.", "请换一条提示。")
    if not answer:
        return TutorError(say("The model said nothing.", "模型什么也没有回答。"), hint)
    return TutorError(
        say(
            f"The model gave the same answer {TRIES + 1} times.",
            f"模型 {TRIES + 1} 次给出同样的回答。",
        ),
        hint,
    )
