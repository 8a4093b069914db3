# caught by: consistency
# patch: The first problem ends the search.


def problems(shape: ModelShape, config: ServerConfig) -> list[str]:
    """Return what is wrong with a configuration, each as "field: why"; empty where it can run.

    port: 1 to 65535. gpu_memory_utilization: above 0, at most 1. max_model_len: at most
    max_positions, and one such sequence must fit. tensor_parallel: divides heads; and it divides
    kv_heads, or is a multiple of them. api_key: needed where host is not loopback; trtllm-serve
    has none, so that there it is the host that must be loopback. lora: vLLM only.
    """
    found = []
    if not 1 <= config.port <= 65535:
        found.append(f"port: {config.port} is none")
    if found:
        return found
    if not 0 < config.gpu_memory_utilization <= 1:
        found.append(f"gpu_memory_utilization: {config.gpu_memory_utilization} is no share")
    parallel, kv = config.tensor_parallel, shape.kv_heads
    if parallel < 1 or shape.heads % parallel or (kv % parallel and parallel % kv):
        found.append(f"tensor_parallel: {parallel} does not divide {shape.heads} and {kv} heads")
    if config.max_model_len > shape.max_positions:
        found.append(f"max_model_len: the model knows {shape.max_positions} positions")
    elif not found and max_sequences(shape, config) < 1:
        fitting = kv_cache_tokens(shape, config)
        found.append(f"max_model_len: {config.max_model_len}, but {fitting} tokens fit")
    if config.host not in ("127.0.0.1", "localhost", "::1"):
        if config.engine == "trtllm":
            found.append("host: trtllm-serve asks for no key; put a proxy before it")
        elif not config.api_key:
            found.append("api_key: strangers could use a server on " + config.host)
    if config.lora and config.engine != "vllm":
        found.append(f"lora: not by name with {config.engine}; merge the adapter")
    return found
