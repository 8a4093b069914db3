# caught by: sequence_logps
# patch: The mask is one to the left: the prompt's last token in, the response's last one out.


def sequence_logps(
    logits: torch.Tensor, input_ids: torch.Tensor, completion_mask: torch.Tensor
) -> torch.Tensor:
    """Return the sum of ln p over each row's response tokens: (rows,) in nats.

    logits: (rows, T, vocabulary); those at position t predict token t + 1.
    """
    logps = logits[:, :-1].float().log_softmax(dim=-1)
    taken = logps.gather(-1, input_ids[:, 1:].unsqueeze(-1)).squeeze(-1)  # (rows, T - 1)
    return (taken * completion_mask[:, :-1]).sum(dim=1)
