# caught by: events
# patch: aiter_lines cuts at U+2028 inside a JSON string as well.


async def _lines(reply: httpx.Response) -> AsyncIterator[str]:
    """Yield the lines as bytes end them. aiter_lines would also cut at U+2028 and U+0085, which
    JSON allows inside a string; and a chunk's end may fall inside a character."""
    async for line in reply.aiter_lines():
        yield line
