# caught by: key
# patch: Only the chat asks for the key; /v1/models is open to everybody.


def build_app(engine: Engine, key: str) -> FastAPI:
    """Return the server of this engine, for those who send `Authorization: Bearer <key>`."""
    lock = asyncio.Lock()

    def authorize(authorization: Annotated[str, Header()] = "") -> None:
        # In constant time: how long a comparison takes must not tell how much was right.
        if not secrets.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            raise error(401, "The API key is missing or wrong.", "invalid_api_key")

    app = FastAPI(openapi_url=None)
    app.add_exception_handler(StarletteHTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_bad_body)

    @app.get("/v1/models")
    async def models():
        model = {"id": engine.name, "object": "model", "created": 0, "owned_by": "me"}
        return {"object": "list", "data": [model]}

    @app.post("/v1/chat/completions", dependencies=[Depends(authorize)])
    async def completions(ask: Ask, request: Request):
        if ask.model != engine.name:
            raise error(404, f"There is no model {ask.model!r}.", "model_not_found")
        prompt_tokens = engine.count([message.model_dump() for message in ask.messages])
        if prompt_tokens + ask.max_tokens > engine.context:
            text = f"{prompt_tokens} + {ask.max_tokens} tokens; the context has {engine.context}."
            raise error(400, text, "context_length_exceeded")
        tally = Tally()

        async def answer() -> AsyncIterator[str]:
            # Closed at once when a stop string ends the answer: the next one waits for the lock.
            async with aclosing(pieces(request, engine, lock, ask)) as source:
                async for text in until_stop(source, ask, tally):
                    yield text

        if ask.stream:
            return StreamingResponse(
                events(engine, answer(), tally), media_type="text/event-stream"
            )
        text = "".join([piece async for piece in answer()])
        return whole(engine, text, prompt_tokens, tally)

    return app
