# caught by: parameters
# patch: A bias for each pair of channels instead of each output channel.


def conv_parameters(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> int:
    """Return the number of parameters of a convolution with square kernels."""
    return out_channels * in_channels * (kernel * kernel + bias)
