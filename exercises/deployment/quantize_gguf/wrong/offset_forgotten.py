# caught by: dequantize
# patch: Q4_0's codes are read without their offset of 8.


def dequantize_q4_0(data: np.ndarray) -> np.ndarray:
    """Return the weights, (rows, columns) float32, that the bytes of quantize_q4_0 stand for."""
    blocks = data.reshape(-1, 18)
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    q = np.concatenate([blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return (d * q).reshape(len(data), -1)
