# caught by: leaves
# patch: Only the end of a stream is noticed; an answer as a whole is computed to its end for nobody.


async def pieces(request: Request, engine: Engine, lock: asyncio.Lock, ask: Ask):
    """Yield the engine's pieces; whoever closes this, or goes away, ends the generation."""
    messages = [message.model_dump() for message in ask.messages]
    async with lock:
        generator = engine.stream(messages, ask.temperature, ask.max_tokens)
        try:
            while (piece := await run_in_threadpool(next, generator, None)) is not None:
                yield piece
        finally:
            generator.close()
