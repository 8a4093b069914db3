# caught by: sequence_logps
# patch: The sum is taken in the logits' own bfloat16.


def sequence_logps(
    logits: torch.Tensor, input_ids: torch.Tensor, completion_mask: torch.Tensor
) -> torch.Tensor:
    """Return the sum of ln p over each row's response tokens: (rows,) in nats.

    logits: (rows, T, vocabulary); those at position t predict token t + 1.
    """
    logps = logits[:, :-1].log_softmax(dim=-1)
    taken = logps.gather(-1, input_ids[:, 1:].unsqueeze(-1)).squeeze(-1)  # (rows, T - 1)
    return (taken * completion_mask[:, 1:]).sum(dim=1)
