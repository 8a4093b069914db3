# caught by: q8_0
# patch: One scale a row, written into each of its blocks: an outlier spoils the whole row.


def quantize_q8_0(x: np.ndarray) -> np.ndarray:
    """Return the bytes of x, (rows, columns) float32, as Q8_0: (rows, columns / 32 x 34) uint8.

    d = largest absolute value / 127; q = x / d rounded to nearest, halves away from zero. The
    rounding uses d as float32; d is stored as float16. A block of zeros is all zero bytes.
    """
    blocks = x.astype(np.float32).reshape(-1, BLOCK)
    d = np.abs(x).max(axis=1).repeat(x.shape[1] // BLOCK)[:, None].astype(np.float32) / 127
    scaled = blocks * _inverse(d)
    # np.round would take halves to the even neighbour.
    q = np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5))
    packed = [d.astype(np.float16).view(np.uint8), q.astype(np.int8).view(np.uint8)]
    return np.concatenate(packed, axis=1).reshape(len(x), -1)
