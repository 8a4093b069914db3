# caught by: beam_search
# patch: Ranks candidates by their last token alone.


def beam_search(next_logits, ids, num_beams, max_new_tokens, eos_id=None, length_penalty=1.0):
    """Return (ids of the best hypothesis, prompt included, its score) for one prompt (1, length).

    score: the sum of log-probabilities over (generated tokens) ** length_penalty.
    """
    beams = ids
    best, best_score = ids[0], -torch.inf
    for length in range(1, max_new_tokens + 1):
        log_p = next_logits(beams).log_softmax(dim=-1)
        totals = log_p.flatten()
        # Twice as many: at most half of them end, so num_beams are left to go on.
        totals, places = totals.topk(min(2 * num_beams, len(totals)))
        parents, tokens = places // log_p.shape[1], places % log_p.shape[1]
        candidates = torch.cat([beams[parents], tokens[:, None]], dim=1)

        ends = torch.full_like(tokens, length == max_new_tokens, dtype=torch.bool)
        if eos_id is not None:
            ends |= tokens == eos_id
        for rank in range(min(num_beams, len(totals))):
            score = totals[rank].item() / length**length_penalty
            if ends[rank] and score > best_score:
                best, best_score = candidates[rank], score

        beams = candidates[~ends][:num_beams]
    return best, best_score
