# caught by: plain
# patch: The scale loses the sign: +9 is cut down to code 7.


def plain(weight):
    """Round to nearest: scale = the value of the block that is largest in absolute value, with its
    sign, / -8. A block of zeros has codes of 0."""
    blocks = weight.float().unflatten(1, (-1, BLOCK))  # (rows, blocks, 32)
    place = blocks.abs().argmax(dim=-1, keepdim=True)
    scales = blocks.gather(-1, place).abs() / 8
    return Quantized(scales[..., 0], codes_for(blocks, scales).flatten(1))
