# caught by: loss
# patch: The reference is left out of the margin.


def log_ratios(policy: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ln p - ln p_ref of the chosen and of the rejected responses: (B,) each."""
    chosen, rejected = policy.chunk(2)
    return chosen, rejected
