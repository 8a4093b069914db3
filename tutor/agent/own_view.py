"""What the model says without sources, when the learner asks for it: always under its label."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from tutor import engine
from tutor.agent.events import Answer, Done, Event, Token
from tutor.base.i18n import Language
from tutor.base.settings import Settings

LABEL = {
    "en": "The model's own view, no source: ",
    "zh": "模型自己的看法，没有出处：",
}
TOKENS = 240

_PROMPT = {
    "en": "You are a tutor for large language models. Answer in one to four plain sentences. "
    "Say so where you do not know.",
    "zh": "你是大语言模型课程的助教。用一到四句中文回答，不知道的就说不知道。",
}


async def own_view(
    question: str, lang: Language, *, settings: Settings, style: str = ""
) -> AsyncIterator[Event]:
    """Ask the model alone; yield tokens, the label first, and Done. Nothing is cited, and
    `covered` is False: no source stands behind it.

    Raises as `loop.ask` does.
    """
    began = time.monotonic()
    endpoint = await engine.ready(settings)
    yield Token(LABEL[lang])
    said, first = "", 0.0
    messages: list[engine.Message] = [
        {"role": "system", "content": _PROMPT[lang]},
        {"role": "user", "content": f"{question}{style}"},
    ]
    async with engine.ChatClient(endpoint) as client:
        async for piece in client.stream(messages, max_tokens=TOKENS):
            first = first or time.monotonic() - began
            said += piece
            yield Token(piece)
    seconds = time.monotonic() - began
    text = f"{LABEL[lang]}{said.strip()}"
    yield Done(
        Answer(question, text, (), False, seconds, first, 0, model=endpoint.model, own_view=True)
    )
