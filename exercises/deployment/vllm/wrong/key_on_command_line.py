# caught by: command
# patch: The key is an argument, for every user of the machine to read.


def server_command(shape: ModelShape, config: ServerConfig) -> tuple[list[str], dict[str, str]]:
    """Return (arguments, environment) that start the server.

    Raises ValueError with all problems. The key goes into the environment (VLLM_API_KEY, for TGI
    API_KEY): a command line is there for every user of the machine to read.
    """
    if wrong := problems(shape, config):
        raise ValueError("; ".join(wrong))
    build = {"vllm": _vllm, "tgi": _tgi, "trtllm": _trtllm}[config.engine]
    return [*build(config), *(["--api-key", config.api_key] if config.api_key else [])], {}
