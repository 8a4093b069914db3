# caught by: two_at_once
# patch: The engine computes on the event loop: until it has ended nobody else is heard.


async def pieces(request: Request, engine: Engine, lock: asyncio.Lock, ask: Ask):
    """Yield the engine's pieces; whoever closes this, or goes away, ends the generation."""
    messages = [message.model_dump() for message in ask.messages]
    async with lock:
        generator = engine.stream(messages, ask.temperature, ask.max_tokens)
        try:
            for piece in list(generator):
                if await request.is_disconnected():
                    return
                yield piece
        finally:
            generator.close()
