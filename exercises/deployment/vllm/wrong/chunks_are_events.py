# caught by: events
# patch: Each chunk of bytes is taken for whole lines.


async def _lines(reply: httpx.Response) -> AsyncIterator[str]:
    """Yield the lines as bytes end them. aiter_lines would also cut at U+2028 and U+0085, which
    JSON allows inside a string; and a chunk's end may fall inside a character."""
    async for chunk in reply.aiter_text():
        for line in chunk.splitlines():
            yield line
