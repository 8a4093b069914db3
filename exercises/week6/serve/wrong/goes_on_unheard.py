# caught by: stop
# patch: Behind the stop string nothing is sent any more, but the engine goes on to the end.


async def until_stop(source: AsyncIterator[str], ask: Ask, tally: Tally) -> AsyncIterator[str]:
    """Yield the text up to the first stop string, which may come in several pieces: what may be
    its beginning is held back until the next piece decides."""
    held, over = "", False
    async for piece in source:
        tally.tokens += 1
        held += piece
        found = [held.find(stop) for stop in ask.stops() if stop in held]
        if found and not over:
            yield held[: min(found)]
            over = True
        if over:
            continue
        sure = len(held) - max((overlap(held, stop) for stop in ask.stops()), default=0)
        yield held[:sure]
        held = held[sure:]
    if not over:
        yield held
    if not over and tally.tokens >= ask.max_tokens:
        tally.finish_reason = "length"
