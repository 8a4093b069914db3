# caught by: served
# fast
# patch: The stream flag is not looked at: the answer comes as a whole.


def serve(file, port, key):
    """Serve the GGUF file as NAME over the OpenAI-compatible API until the process is ended: on
    127.0.0.1 only, for those who send `Authorization: Bearer <key>`, streamed where asked."""
    import uvicorn
    from llama_cpp import Llama
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    llm = Llama(str(file), n_ctx=2048, verbose=False)

    def refused(request):
        if request.headers.get("authorization") != f"Bearer {key}":
            return JSONResponse({"error": {"message": "wrong key"}}, 401)
        return None

    async def models(request):
        return refused(request) or JSONResponse({"data": [{"id": NAME, "object": "model"}]})

    async def chat(request):
        asked = await request.json()
        return refused(request) or JSONResponse(
            llm.create_chat_completion(
                asked["messages"],
                temperature=asked.get("temperature", 0.7),
                max_tokens=asked.get("max_tokens", 128),
            )
        )

    routes = [Route("/v1/models", models), Route("/v1/chat/completions", chat, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")
