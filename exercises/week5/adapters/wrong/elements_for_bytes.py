# caught by: memory
# fast
# patch: Elements are counted as bytes.


def costs(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Return what is there after a step: trainable (parameters), gradients_mb and optimizer_mb
    (the optimizer's state), in MB of 10^6 bytes."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    states = [t for state in optimizer.state.values() for t in state.values()]
    return {
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "gradients_mb": sum(t.numel() for t in gradients) / 1e6,
        "optimizer_mb": sum(t.numel() for t in states if torch.is_tensor(t)) / 1e6,
    }


if __name__ == "__main__":
    pass  # a run could add nothing
