# caught by: sampling
# patch: Multiplied by the temperature instead of divided.


def sample(
    model: nn.Module, prompt: torch.Tensor, length: int, temperature: float = 1.0, seed: int = 0
) -> list[int]:
    """Return the ids of `length` characters after the prompt (n,), each drawn from
    softmax(logits / temperature), given everything before it. The same seed, the same text."""
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    drawn: list[int] = []
    inputs, h = prompt[None], None
    with torch.no_grad():
        for _ in range(length):
            logits, h = model(inputs, h)
            p = (logits[0, -1] * temperature).softmax(dim=0)
            drawn.append(int(torch.multinomial(p, 1, generator=generator)))
            inputs = torch.tensor([drawn[-1:]])  # the rest is in the state
    return drawn
