# caught by: sizing
# patch: Keys without values.


def kv_bytes_per_token(shape: ModelShape, kv_dtype: str) -> int:
    """Return the bytes that one token's keys and values take in all layers: "auto" is 2 bytes a
    number, "fp8" 1."""
    return shape.layers * shape.kv_heads * shape.head_dim * (1 if kv_dtype == "fp8" else 2)
