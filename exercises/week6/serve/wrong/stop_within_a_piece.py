# caught by: stop
# patch: Stop strings are looked for in each piece alone, and they may be spread over several.


async def until_stop(source: AsyncIterator[str], ask: Ask, tally: Tally) -> AsyncIterator[str]:
    """Yield the text up to the first stop string, which may come in several pieces: what may be
    its beginning is held back until the next piece decides."""
    async for piece in source:
        tally.tokens += 1
        found = [piece.find(stop) for stop in ask.stops() if stop in piece]
        if found:
            yield piece[: min(found)]
            return
        yield piece
    if tally.tokens >= ask.max_tokens:
        tally.finish_reason = "length"
