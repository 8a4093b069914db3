# caught by: rewards
# patch: A margin of 0 counts as right: a fresh model has an accuracy of 1.


def reward_metrics(policy: torch.Tensor, reference: torch.Tensor, beta: float) -> dict[str, float]:
    """Return the means over the pairs that trl logs as rewards/chosen, rewards/rejected,
    rewards/margins and rewards/accuracies (the share of pairs with a margin above 0)."""
    chosen, rejected = (beta * ratio.detach() for ratio in log_ratios(policy, reference))
    return {
        "rewards/chosen": chosen.mean().item(),
        "rewards/rejected": rejected.mean().item(),
        "rewards/margins": (chosen - rejected).mean().item(),
        "rewards/accuracies": (chosen >= rejected).float().mean().item(),
    }
