# caught by: parameters
# patch: A kernel is taken to be flat: the input channels are forgotten.


def conv_parameters(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> int:
    """Return the number of parameters of a convolution with square kernels."""
    return out_channels * (kernel * kernel + bias)
