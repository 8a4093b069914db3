"""The systems that answer the same questions with the same engine: the tutor, and what it is
measured against.

"plain" is retrieve-then-read as most tutorials build it; "stock" is LlamaIndex's ReActAgent as it
comes. Neither has any of the tutor's checks.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from llama_index.core.agent.react.output_parser import ReActOutputParser
from llama_index.core.agent.react.types import ActionReasoningStep, ResponseReasoningStep
from llama_index.core.agent.workflow import AgentInput, AgentOutput, AgentStream, ReActAgent
from llama_index.core.llms import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CustomLLM,
    LLMMetadata,
)
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow.errors import WorkflowRuntimeError

from kb import KnowledgeBase, Passage
from tutor import engine
from tutor.agent.events import Done, Observation, Token
from tutor.agent.loop import ask
from tutor.agent.recording import Exchange, WatchedKb
from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.engine import ChatClient

PASSAGES = 4
ANSWER_TOKENS = 256
"""LlamaIndex's own default for the length of an answer (DEFAULT_NUM_OUTPUTS)."""
LIMIT_S = 240.0
"""The stock agent may take twenty steps of which each may fill its context."""


@dataclass(frozen=True)
class Reply:
    """What a system answered.

    cited: mark number: passage, for every mark that the system can name a passage for.
    retrieved: every passage that its searches returned.
    first_token_s, total_s: from the question until the learner sees something, and the end.
    """

    text: str
    cited: dict[int, Passage]
    retrieved: list[Passage]
    first_token_s: float
    total_s: float


class System(Protocol):
    """Something that answers questions."""

    name: str

    async def answer(self, question: str) -> Reply:
        """Answer one question. Raises TutorError where it cannot."""

    def valid(self, exchange: Exchange) -> bool:
        """Tell whether a call of the model that was to decide something decided something."""


@dataclass
class Tutor:
    """`tutor.agent.ask`, as every face calls it."""

    kb: KnowledgeBase
    settings: Settings
    name: str = "tutor"

    async def answer(self, question: str) -> Reply:
        watched = WatchedKb(self.kb)
        began, first = time.monotonic(), 0.0
        events = ask(question, watched, settings=self.settings)  # type: ignore[arg-type]
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                match event:
                    case Token(text) if text.strip():
                        first = first or time.monotonic() - began
                    case Observation(passages):
                        watched.note(passages)
                    case Done(answer):
                        total = time.monotonic() - began
                        cited = {c.number: c.passage for c in answer.citations}
                        found = list(watched.retrieved.values())
                        return Reply(answer.text, cited, found, first or total, total)
        raise AssertionError("the agent's last event is Done")

    def valid(self, exchange: Exchange) -> bool:
        """A decision is one JSON object that obeys the schema that it was asked under."""
        schema = exchange.options.get("schema")
        return schema is None or obeys(exchange.reply, schema)


def obeys(reply: str, schema: dict[str, Any]) -> bool:
    """Tell whether a reply is one JSON value that obeys the schema."""
    import json

    import jsonschema

    try:
        jsonschema.validate(json.loads(reply), schema)
    except (json.JSONDecodeError, jsonschema.ValidationError):
        return False
    return True


PLAIN = """Answer the question from the passages below, in the language of the question. \
Cite the passages that you use, like [1]. \
If the passages do not hold the answer, reply only: NOT COVERED.

{passages}

Question: {question}"""


@dataclass
class Plain:
    """Four passages by rank fusion, one prompt, one call, the model's own marks.

    retrieve: how to find passages for a question (text, how many).
    """

    settings: Settings
    retrieve: Callable[[str, int], list[Passage]]
    name: str = "plain"

    async def answer(self, question: str) -> Reply:
        began, first, text = time.monotonic(), 0.0, ""
        passages = await asyncio.to_thread(self.retrieve, question, PASSAGES)
        prompt = PLAIN.format(passages=_quoted(passages), question=question)
        endpoint = await engine.ready(self.settings)
        async with ChatClient(endpoint) as client:
            async for piece in client.stream(
                [{"role": "user", "content": prompt}], max_tokens=ANSWER_TOKENS
            ):
                first = first or time.monotonic() - began
                text += piece
        total = time.monotonic() - began
        return Reply(text, dict(enumerate(passages, 1)), passages, first or total, total)

    def valid(self, exchange: Exchange) -> bool:
        return True  # nothing is decided


class RankFusion:
    """The plain way to find passages: reciprocal rank fusion of BM25 and MiniLM (Cormack, Clarke
    and Büttcher 2009, k = 60), for the question as it is typed."""

    DEPTH = 150
    K = 60

    def __init__(self, kb: KnowledgeBase) -> None:
        from kb.encoder import QuestionEncoder

        self.store = kb.store
        self.encoder = QuestionEncoder()

    def __call__(self, question: str, k: int) -> list[Passage]:
        scores: dict[int, float] = {}
        for ranked in (self._by_words(question), self._by_meaning(question)):
            for rank, id_ in enumerate(ranked, 1):
                scores[id_] = scores.get(id_, 0.0) + 1 / (self.K + rank)
        best = sorted(scores, key=lambda id_: -scores[id_])[:k]
        found = self.store.passages(best)
        return [found[id_] for id_ in best if id_ in found]

    def _by_words(self, question: str) -> list[int]:
        from kb import words

        match = words.match_any(words.question_words(question))
        return list(self.store.by_words(match, self.DEPTH)) if match else []

    def _by_meaning(self, question: str) -> list[int]:
        import numpy as np

        matrix = self.store.matrix()
        if not len(matrix.ids):
            return []
        likeness = matrix.rows @ self.encoder.encode(question)
        return [int(matrix.ids[row]) for row in np.argsort(-likeness)[: self.DEPTH]]


@dataclass
class Shelf:
    """The knowledge base as the stock agent's tool; its passages are numbered as they come."""

    kb: WatchedKb
    given: list[Passage] = field(default_factory=list)

    def search(self, query: str) -> str:
        """Search the knowledge base about large language models; return numbered passages."""
        found = self.kb.search(query, k=PASSAGES)
        self.given.extend(found)
        return _quoted(found, start=len(self.given) - len(found) + 1)


@dataclass
class Stock:
    """LlamaIndex's ReActAgent as it comes: its own prompt, parser and number of steps."""

    kb: KnowledgeBase
    settings: Settings
    name: str = "stock"

    async def answer(self, question: str) -> Reply:
        shelf = Shelf(WatchedKb(self.kb))
        began = time.monotonic()
        endpoint = await engine.ready(self.settings)
        try:
            async with asyncio.timeout(LIMIT_S), ChatClient(endpoint) as client:
                text, first = await self._run(question, client, shelf)
        except TimeoutError as error:
            raise TutorError(
                say(f"no answer within {LIMIT_S:.0f} s", f"{LIMIT_S:.0f} 秒内没有回答"),
                code=Exit.TIMED_OUT,
            ) from error
        except (WorkflowRuntimeError, ValueError) as error:  # steps used up; its own mishaps
            raise TutorError(str(error).strip().split("\n")[0] or repr(error)) from error
        total = time.monotonic() - began
        seen = (first - began) if first else total
        return Reply(text, dict(enumerate(shelf.given, 1)), shelf.given, seen, total)

    async def _run(self, question: str, client: ChatClient, shelf: Shelf) -> tuple[str, float]:
        """Return the answer and when its first token was there (monotonic seconds)."""
        tools = [FunctionTool.from_defaults(shelf.search, name="search")]
        agent = ReActAgent(
            llm=EngineLLM(client=client, context=self.settings.context_tokens),
            tools=tools,  # type: ignore[arg-type]
        )
        run = agent.run(user_msg=question)
        call_first = answer_first = 0.0
        try:
            async for event in run.stream_events():
                if isinstance(event, AgentInput):
                    call_first = answer_first = 0.0
                elif isinstance(event, AgentStream) and event.delta:
                    call_first = call_first or time.monotonic()
                    if "Answer:" in event.response:
                        answer_first = answer_first or time.monotonic()
            output = await run
        finally:
            if not run.is_done():
                await run.cancel_run(timeout=1)
        said = cast(AgentOutput, output).response.content
        return said or "", answer_first or call_first

    def valid(self, exchange: Exchange) -> bool:
        """A step is Thought and Action, the action being the tool, or Thought and Answer. Text
        without either is taken for the answer by LlamaIndex; it is no valid step."""
        if not re.search(r"Thought:|Action:|Answer:", exchange.reply):
            return False
        try:
            step = ReActOutputParser().parse(exchange.reply)
        except ValueError:
            return False
        if isinstance(step, ActionReasoningStep):
            return step.action == "search" and isinstance(step.action_input.get("query"), str)
        return isinstance(step, ResponseReasoningStep)


class EngineLLM(CustomLLM):
    """The engine as LlamaIndex's model, with nothing added."""

    client: Any
    context: int

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            model_name=self.client.endpoint.model,
            context_window=self.context,
            num_output=ANSWER_TOKENS,
            is_chat_model=True,
        )

    async def astream_chat(  # type: ignore[override]
        self, messages: Sequence[ChatMessage], **_: Any
    ) -> AsyncIterator[ChatResponse]:
        return self._responses(messages)

    async def _responses(self, messages: Sequence[ChatMessage]) -> AsyncIterator[ChatResponse]:
        text = ""
        asked = [{"role": str(m.role.value), "content": m.content or ""} for m in messages]
        async for piece in self.client.stream(asked, max_tokens=ANSWER_TOKENS):
            text += piece
            yield ChatResponse(message=ChatMessage(role="assistant", content=text), delta=piece)

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise TypeError("the compared agent is asynchronous: use astream_chat")

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        raise TypeError("the compared agent is asynchronous: use astream_chat")


def _quoted(passages: Sequence[Passage], start: int = 1) -> str:
    return "\n\n".join(
        f"[{number}] {passage.heading or passage.title}\n{passage.text}"
        for number, passage in enumerate(passages, start)
    )
