# caught by: bounded
# patch: Answers in the order in which they were finished.


class Client:
    """timeout: seconds that the server may be silent. retries: how often a request is sent again
    after 429 or 503. at_once: requests under way at the same time, at most. sleep: how to wait.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        timeout: float = 60.0,
        retries: int = 4,
        at_once: int = 8,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.http = httpx.AsyncClient(headers=headers, timeout=timeout)
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.model = model
        self.retries = retries
        self.turns = asyncio.Semaphore(at_once)
        self.sleep = sleep

    async def close(self) -> None:
        await self.http.aclose()

    async def stream(self, messages: list[dict[str, str]], **options: Any) -> AsyncIterator[str]:
        """Yield the pieces of the answer as they come. options: max_tokens, temperature, …

        429 and 503 are tried again after what Retry-After says (seconds, or a date of HTTP), or
        after 0.5, 1, 2, … seconds. Raises ApiError for any other status but 200, for an error
        inside the stream, and for a stream that ends without [DONE]; httpx.TimeoutException.
        """
        body = {"model": self.model, "messages": messages, "stream": True, **options}
        async with self.turns:
            for attempt in range(self.retries + 1):
                async with self.http.stream("POST", self.url, json=body) as reply:
                    if reply.status_code == 200:
                        async for piece in _pieces(reply):
                            yield piece
                        return
                    await reply.aread()
                if reply.status_code not in (429, 503) or attempt == self.retries:
                    raise ApiError(reply.status_code, _reason(reply))
                await self.sleep(_wait(reply.headers.get("retry-after"), attempt))

    async def complete(self, messages: list[dict[str, str]], **options: Any) -> str:
        """Return the whole answer."""
        return "".join([piece async for piece in self.stream(messages, **options)])

    async def complete_all(
        self, conversations: list[list[dict[str, str]]], **options: Any
    ) -> list[str]:
        """Return the answer to each, in their order, `at_once` of them under way at a time."""
        work = [self.complete(one, **options) for one in conversations]
        return [await one for one in asyncio.as_completed(work)]
