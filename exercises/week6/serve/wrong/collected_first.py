# caught by: streams
# patch: The form of a stream, but all of it is generated before the first event.


async def events(engine: Engine, answer: AsyncIterator[str], tally: Tally) -> AsyncIterator[str]:
    """Yield server-sent events: the role, the text, the reason of the end, and [DONE]."""
    common = head("chat.completion.chunk", engine)

    def event(delta: dict, reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps(common | {'choices': [choice]}, ensure_ascii=False)}\n\n"

    yield event({"role": "assistant", "content": ""})
    for text in [piece async for piece in answer]:
        if text:
            yield event({"content": text})
    yield event({}, tally.finish_reason)
    yield "data: [DONE]\n\n"
