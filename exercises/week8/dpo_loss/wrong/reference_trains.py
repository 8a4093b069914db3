# caught by: reference_frozen
# patch: No torch.no_grad() around the reference.


def dpo_step(
    model,
    reference_model,
    batch: dict[str, torch.Tensor],
    beta: float,
    loss_type: str = "sigmoid",
    label_smoothing: float = 0.0,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the mean loss of the batch, to call backward() on, and its metrics.

    No gradient reaches reference_model. The optimizer's step is the caller's.
    """
    policy = responses_logps(model, batch)
    reference = responses_logps(reference_model, batch)
    lengths = batch["completion_mask"].sum(dim=1)
    losses = dpo_loss(policy, reference, beta, loss_type, label_smoothing, lengths)
    return losses.mean(), reward_metrics(policy, reference, beta)
