# caught by: stop
# patch: The whole text so far is searched, but the beginning of the stop string was sent already.


async def until_stop(source: AsyncIterator[str], ask: Ask, tally: Tally) -> AsyncIterator[str]:
    """Yield the text up to the first stop string, which may come in several pieces: what may be
    its beginning is held back until the next piece decides."""
    held = ""
    async for piece in source:
        tally.tokens += 1
        held += piece
        found = [held.find(stop) for stop in ask.stops() if stop in held]
        if found:
            return
        yield piece
    if tally.tokens >= ask.max_tokens:
        tally.finish_reason = "length"
