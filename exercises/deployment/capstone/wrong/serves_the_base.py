# caught by: served
# fast
# patch: The server loads the untouched base, whatever file it is given.


def serve(file, port, key):
    """Serve the GGUF file as NAME over the OpenAI-compatible API until the process is ended: on
    127.0.0.1 only, for those who send `Authorization: Bearer <key>`, streamed where asked."""
    import uvicorn
    from llama_cpp.server.app import create_app
    from llama_cpp.server.settings import ModelSettings, ServerSettings

    app = create_app(
        server_settings=ServerSettings(host="127.0.0.1", port=port, api_key=key),
        model_settings=[
            ModelSettings(model=str(lab.base_file()), model_alias=NAME, n_ctx=2048, verbose=False)
        ],
    )
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
