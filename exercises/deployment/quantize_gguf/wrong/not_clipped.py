# caught by: q4_0
# patch: +8 becomes code 16, and runs over into the neighbour's half.


def quantize_q4_0(x: np.ndarray) -> np.ndarray:
    """Return the bytes of x, (rows, columns) float32, as Q4_0: (rows, columns / 32 x 18) uint8.

    d = the value that is largest in absolute value, with its sign, / -8; q = x / d + 8.5 cut to an
    integer, at most 15. Rounded with d as float32, stored as float16. A block of zeros has d = 0
    and q = 8.
    """
    blocks = x.astype(np.float32).reshape(-1, BLOCK)
    place = np.abs(blocks).argmax(axis=1, keepdims=True)
    d = np.take_along_axis(blocks, place, axis=1) / np.float32(-8)
    q = np.trunc(blocks * _inverse(d) + np.float32(8.5)).astype(np.uint8)
    halves = q[:, :16] | (q[:, 16:] << 4)
    packed = np.concatenate([d.astype(np.float16).view(np.uint8), halves], axis=1)
    return packed.reshape(len(x), -1)
