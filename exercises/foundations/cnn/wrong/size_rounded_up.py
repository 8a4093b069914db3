# caught by: output_size
# patch: Rounded up: as if the kernel could hang over the edge.


def conv_output_size(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    """Return how many places a kernel finds along one side of `size` pixels, with `padding`
    zeros at both ends."""
    # The last place where the kernel fits whole; what is left over is not visited.
    return -((kernel - size - 2 * padding) // stride) + 1
