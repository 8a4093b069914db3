# caught by: completion
# patch: The finish_reason is always "stop": nobody sees that max_tokens cut the answer off.


async def until_stop(source: AsyncIterator[str], ask: Ask, tally: Tally) -> AsyncIterator[str]:
    """Yield the text up to the first stop string, which may come in several pieces: what may be
    its beginning is held back until the next piece decides."""
    held = ""
    async for piece in source:
        tally.tokens += 1
        held += piece
        found = [held.find(stop) for stop in ask.stops() if stop in held]
        if found:
            yield held[: min(found)]
            return
        sure = len(held) - max((overlap(held, stop) for stop in ask.stops()), default=0)
        yield held[:sure]
        held = held[sure:]
    yield held
