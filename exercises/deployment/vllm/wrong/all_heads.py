# caught by: sizing
# patch: Attention heads in the place of KV heads: seven times too much.


def kv_bytes_per_token(shape: ModelShape, kv_dtype: str) -> int:
    """Return the bytes that one token's keys and values take in all layers: "auto" is 2 bytes a
    number, "fp8" 1."""
    return 2 * shape.layers * shape.heads * shape.head_dim * (1 if kv_dtype == "fp8" else 2)


def kv_cache_tokens(shape: ModelShape, config: ServerConfig) -> int:
    """Return the tokens that the KV cache holds, in whole blocks; 0 where nothing fits.

    A GPU's share of the memory, less its part of the weights (1 / tensor_parallel) and the
    overhead, is for the cache. KV heads are divided among the GPUs too; where there are more GPUs
    than heads, each GPU holds one, and some heads are there several times.
    """
    weights = shape.parameters * WEIGHT_BYTES / config.tensor_parallel
    share = config.gpu_memory_gib * config.gpu_memory_utilization - config.overhead_gib
    free = share * GIB - weights
    heads_here = max(1, shape.kv_heads // config.tensor_parallel)
    per_token = kv_bytes_per_token(shape, config.kv_dtype) / shape.heads * heads_here
    return max(0, int(free // (per_token * BLOCK))) * BLOCK
