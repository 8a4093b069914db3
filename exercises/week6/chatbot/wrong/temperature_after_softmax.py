# caught by: temperature
# patch: The probabilities are divided by the temperature, which changes nothing.


def choose(logits: torch.Tensor, temperature: float) -> int:
    """Return the next token: the most probable one at temperature 0, else a sample."""
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits.float(), dim=-1) / temperature, 1))
