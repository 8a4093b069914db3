# caught by: q8_0
# patch: A block of zeros divides by zero.


def quantize_q8_0(x: np.ndarray) -> np.ndarray:
    """Return the bytes of x, (rows, columns) float32, as Q8_0: (rows, columns / 32 x 34) uint8.

    d = largest absolute value / 127; q = x / d rounded to nearest, halves away from zero. The
    rounding uses d as float32; d is stored as float16. A block of zeros is all zero bytes.
    """
    blocks = x.astype(np.float32).reshape(-1, BLOCK)
    d = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    d[d == 0] = 1
    scaled = blocks * _inverse(d)
    # np.round would take halves to the even neighbour.
    q = np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5))
    packed = [d.astype(np.float16).view(np.uint8), q.astype(np.int8).view(np.uint8)]
    return np.concatenate(packed, axis=1).reshape(len(x), -1)


def _inverse(d: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.float32(1) / d
