# caught by: padding_and_stride
# patch: Zeros at the left and the top only.


def conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    padding: int = 0,
    stride: int = 1,
) -> torch.Tensor:
    """Return the cross-correlation of x with each kernel, by elementary tensor operations.

    x: (n, in, height, width). weight: (out, in, kernel height, kernel width). bias: (out,).
    Returns (n, out, height', width'). Gradients flow through it.
    """
    x = F.pad(x, (2 * padding, 0, 2 * padding, 0))
    kernel_height, kernel_width = weight.shape[2:]
    height = conv_output_size(x.shape[2], kernel_height, stride=stride)
    width = conv_output_size(x.shape[3], kernel_width, stride=stride)
    out = x.new_zeros(x.shape[0], weight.shape[0], height, width)
    for i in range(kernel_height):
        for j in range(kernel_width):
            # What the kernel's element (i, j) meets at all places: (n, in, height', width').
            rows = slice(i, i + stride * (height - 1) + 1, stride)
            columns = slice(j, j + stride * (width - 1) + 1, stride)
            met = x[:, :, rows, columns]
            out = out + torch.einsum("nihw,oi->nohw", met, weight[:, :, i, j])
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)
