# caught by: command
# patch: Options and values glued together, as one types them in a shell.


def _vllm(config: ServerConfig) -> list[str]:
    arguments = ["vllm", "serve", config.model, "--host", config.host, "--port", str(config.port)]
    arguments += ["--dtype", config.dtype, "--kv-cache-dtype", config.kv_dtype]
    arguments += ["--max-model-len", str(config.max_model_len)]
    arguments += [f"--max-num-seqs {config.max_num_seqs}"]
    arguments += ["--gpu-memory-utilization", str(config.gpu_memory_utilization)]
    arguments += ["--tensor-parallel-size", str(config.tensor_parallel)]
    if config.lora:
        modules = [f"{name}={path}" for name, path in config.lora.items()]
        arguments += ["--enable-lora", "--lora-modules", *modules]
    return arguments
