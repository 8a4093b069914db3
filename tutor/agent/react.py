"""LlamaIndex's ReActAgent, driven so that a small model cannot derail it.

As it comes, the agent asks for `Thought:/Action:` prose, which a 1.5B model does not keep to. Here
the formatter shows the passages, the LLM wrapper asks for each decision under a JSON schema and
for the answer as prose, and the parser reads only what the wrapper has typed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from llama_index.core.agent.react.formatter import ReActChatFormatter
from llama_index.core.agent.react.output_parser import ReActOutputParser
from llama_index.core.agent.react.types import (
    ActionReasoningStep,
    BaseReasoningStep,
    ResponseReasoningStep,
)
from llama_index.core.agent.workflow import ReActAgent
from llama_index.core.llms import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CustomLLM,
    LLMMetadata,
)
from llama_index.core.tools import FunctionTool

from tutor.agent import prompts, steps, tools
from tutor.agent.evidence import Evidence
from tutor.base.settings import Settings
from tutor.engine import ChatClient, Message

MAX_STEPS = 3
"""Decisions of one question; the last can only be to answer."""
ANSWER_TOKENS = 160
STEP_TOKENS = 96
"""The longest step is a query of 80 characters; one that is cut off is read as far as it goes."""
STOP = ("\n\n", "```")
"""An answer is one paragraph; what a small model writes after it are the passages again."""
ANSWER = "Answer: "


class StepLLM(CustomLLM):
    """The engine as the agent's model: one constrained decision, then prose if it is to answer."""

    client: Any
    evidence: Any
    taken: int = 0
    """Steps so far."""
    seen: int = 0
    """Passages that there were at the last step."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.client.endpoint.model, is_chat_model=True)

    async def astream_chat(  # type: ignore[override]
        self, messages: Sequence[ChatMessage], **_: Any
    ) -> AsyncIterator[ChatResponse]:
        return self._step(
            [{"role": str(m.role.value), "content": m.content or ""} for m in messages]
        )

    async def _step(self, messages: list[Message]) -> AsyncIterator[ChatResponse]:
        self.taken += 1
        step = await self._decide(messages)
        if step.action != "answer":
            yield _response(json.dumps({"action": step.action, **step.arguments}))
            return
        found: Evidence = self.evidence
        writing = prompts.write(found.question, found.lang, found.passages, found.style)
        text = ANSWER
        yield _response(text)  # an answer, even where the model says nothing
        async for piece in self.client.stream(writing, max_tokens=ANSWER_TOKENS, stop=STOP):
            text += piece
            yield _response(text, delta=piece)

    async def _decide(self, messages: list[Message]) -> steps.Step:
        """Ask for the next step. It is to answer where nothing is left to decide: the evidence is
        strong or what the question asked for, the last step brought nothing new, the steps are
        used up or not valid twice."""
        fresh, self.seen = len(self.evidence.passages) - self.seen, len(self.evidence.passages)
        if self.taken >= MAX_STEPS or not fresh or tools.settled(self.evidence):
            return steps.ANSWER
        offered = tools.offer(self.evidence)
        for _ in range(2):
            reply = await self.client.complete(
                messages, max_tokens=STEP_TOKENS, schema=steps.schema(offered)
            )
            if step := steps.parse(reply, offered):
                return step
            messages = prompts.repair(messages, reply)
        return steps.ANSWER

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise TypeError("the tutor's agent is asynchronous: use astream_chat")

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        raise TypeError("the tutor's agent is asynchronous: use astream_chat")


class PassageFormatter(ReActChatFormatter):
    """Shows the model the passages so far and the question, in place of the growing transcript."""

    evidence: Any

    def format(self, *_: Any, **__: Any) -> list[ChatMessage]:
        found: Evidence = self.evidence
        told = "" if tools.settled(found) else tools.told(tools.offer(found), found.lang)
        messages = prompts.decide(found.question, found.lang, found.passages, told)
        return [ChatMessage(role=m["role"], content=m["content"]) for m in messages]


class StepParser(ReActOutputParser):
    """Reads what StepLLM writes. An answer stays an answer whatever words a passage put into it."""

    def parse(self, output: str, is_streaming: bool = False) -> BaseReasoningStep:
        if output.startswith(ANSWER):
            return ResponseReasoningStep(thought="", response=output.removeprefix(ANSWER))
        call = json.loads(output)
        action = call.pop("action")
        return ActionReasoningStep(thought="", action=action, action_input=call)


def build_agent(client: ChatClient, evidence: Evidence, settings: Settings) -> ReActAgent:
    """Return an agent for one question."""
    box = tools.Toolbox(evidence, settings)
    return ReActAgent(
        llm=StepLLM(client=client, evidence=evidence),
        tools=[
            FunctionTool.from_defaults(call, name=name, description=name)
            for name, call in box.by_name().items()
        ],
        formatter=PassageFormatter(evidence=evidence),
        output_parser=StepParser(),
        streaming=True,
    )


def _response(text: str, delta: str = "") -> ChatResponse:
    return ChatResponse(message=ChatMessage(role="assistant", content=text), delta=delta)
