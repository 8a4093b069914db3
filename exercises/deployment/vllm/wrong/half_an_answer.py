# caught by: errors
# patch: A stream that breaks off looks whole.


async def _pieces(reply: httpx.Response) -> AsyncIterator[str]:
    async for line in _lines(reply):
        if not line.startswith("data:"):
            continue  # empty, a comment that keeps the connection alive, another field
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        event = json.loads(data)
        if error := event.get("error"):
            raise ApiError(200, error["message"] if isinstance(error, dict) else str(error))
        for choice in event.get("choices", []):  # none in the event with the usage
            if text := choice["delta"].get("content"):
                yield text
