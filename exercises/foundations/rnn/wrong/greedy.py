# caught by: sampling
# patch: Always the likeliest character.


def sample(
    model: nn.Module, prompt: torch.Tensor, length: int, temperature: float = 1.0, seed: int = 0
) -> list[int]:
    """Return the ids of `length` characters after the prompt (n,), each drawn from
    softmax(logits / temperature), given everything before it. The same seed, the same text."""
    model.eval()
    drawn: list[int] = []
    inputs, h = prompt[None], None
    with torch.no_grad():
        for _ in range(length):
            logits, h = model(inputs, h)
            p = (logits[0, -1] / temperature).softmax(dim=0)
            drawn.append(int(p.argmax()))
            inputs = torch.tensor([drawn[-1:]])  # the rest is in the state
    return drawn
