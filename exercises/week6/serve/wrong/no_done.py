# caught by: streams
# patch: The stream just ends: clients wait for [DONE].


async def events(engine: Engine, answer: AsyncIterator[str], tally: Tally) -> AsyncIterator[str]:
    """Yield server-sent events: the role, the text, the reason of the end, and [DONE]."""
    common = head("chat.completion.chunk", engine)

    def event(delta: dict, reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps(common | {'choices': [choice]}, ensure_ascii=False)}\n\n"

    yield event({"role": "assistant", "content": ""})
    async for text in answer:
        if text:
            yield event({"content": text})
    yield event({}, tally.finish_reason)
