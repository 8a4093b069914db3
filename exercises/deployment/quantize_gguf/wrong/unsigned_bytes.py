# caught by: dequantize
# patch: Q8_0's bytes are read as 0 to 255.


def dequantize_q8_0(data: np.ndarray) -> np.ndarray:
    """Return the weights, (rows, columns) float32, that the bytes of quantize_q8_0 stand for."""
    blocks = data.reshape(-1, 34)
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    q = blocks[:, 2:].copy().astype(np.float32)
    return (d * q).reshape(len(data), -1)
