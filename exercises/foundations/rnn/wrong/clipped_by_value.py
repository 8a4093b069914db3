# caught by: clipped
# patch: Each gradient clipped by itself instead of their common norm.


def train_epoch(
    model: nn.Module,
    data: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    max_norm: float = 1.0,
) -> float:
    """Take one step for each window; `model(inputs, h)` returns (logits, h).

    The state starts as None and is handed on from window to window, its graph is not. The norm of
    all gradients together is clipped to max_norm. Return the mean cross-entropy of the windows.
    """
    model.train()
    h, losses = None, []
    for inputs, targets in data:
        # Truncated backpropagation through time: the numbers go on, the history ends here.
        logits, h = model(inputs, None if h is None else h.detach())
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)
