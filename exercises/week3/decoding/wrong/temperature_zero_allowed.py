# caught by: temperature
# No check: a temperature of 0 gives infinities and, later, NaN.
# %% [markdown]
# # Decoding, written out
#
# A model gives logits. Everything else is in this file: change the logits, choose an id, repeat.
# Logits are (batch, vocab) and are never changed in place; what is cut becomes -inf.

# %%
import torch

# %% [markdown]
# ## 1. Change the logits


# %%
def apply_temperature(logits, temperature):
    """Divide by the temperature. (batch, vocab) -> (batch, vocab).

    Raises ValueError where it is not above 0: the limit towards 0 is `greedy`.
    """
    return logits / temperature


def top_k(logits, k):
    """Keep the k best of each row, and whatever equals the k-th. k may exceed the vocabulary."""
    k = min(k, logits.shape[-1])
    kth = logits.topk(k, dim=-1).values[:, -1:]  # (batch, 1)
    return logits.masked_fill(logits < kth, -torch.inf)


def top_p(logits, p):
    """Keep the smallest set of best tokens whose probabilities reach p; at least one.

    Holtzman et al. 2020 (arXiv 1904.09751), section 3.1.
    """
    if p >= 1:
        return logits  # a sum of float32 may reach 1 before the tail begins
    ranked, order = logits.sort(dim=-1, descending=True)
    probabilities = ranked.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities  # the mass in front of each token
    cut = before >= p
    cut[:, 0] = False
    return logits.masked_fill(cut.scatter(1, order, cut), -torch.inf)  # back in vocabulary order


def repetition_penalty(logits, ids, penalty):
    """Make each token of ids (batch, length) less likely, once however often it occurs.

    Keskar et al. 2019 (CTRL, arXiv 1909.05858), section 4.1, with the sign minded: a positive
    logit is divided, a negative one multiplied.
    """
    seen = logits.gather(1, ids)
    # A token that occurs twice is written twice with the same value.
    return logits.scatter(1, ids, torch.where(seen < 0, seen * penalty, seen / penalty))


def process(logits, ids, temperature=1.0, k=0, p=1.0, penalty=1.0):
    """Apply all four in the order of transformers' generate. k = 0: no top-k."""
    if penalty != 1.0:
        logits = repetition_penalty(logits, ids, penalty)
    logits = apply_temperature(logits, temperature)
    if k > 0:
        logits = top_k(logits, k)
    return top_p(logits, p)


# %% [markdown]
# ## 2. Choose an id


# %%
def greedy(logits):
    """Return the best id of each row: (batch, vocab) -> (batch,)."""
    return logits.argmax(dim=-1)


def sample(logits, generator):
    """Draw an id for each row by its probability, with this torch.Generator and no other."""
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]


# %% [markdown]
# ## 3. Repeat


# %%
def generate(next_logits, ids, max_new_tokens, choose, eos_id=None):
    """Append up to max_new_tokens ids to each row of ids (batch, length).

    next_logits: (batch, length) -> (batch, vocab). choose: (logits, ids) -> (batch,).
    A row that has ended is filled with eos_id; when all have ended, the loop does.
    """
    ended = torch.zeros(len(ids), dtype=torch.bool)
    for _ in range(max_new_tokens):
        chosen = choose(next_logits(ids), ids)
        if eos_id is not None:
            chosen = chosen.masked_fill(ended, eos_id)
            ended |= chosen == eos_id
        ids = torch.cat([ids, chosen[:, None]], dim=1)
        if ended.all():
            break
    return ids


# %% [markdown]
# ## 4. Beam search


# %%
def beam_search(next_logits, ids, num_beams, max_new_tokens, eos_id=None, length_penalty=1.0):
    """Return (ids of the best hypothesis, prompt included, its score) for one prompt (1, length).

    score: the sum of log-probabilities over (generated tokens) ** length_penalty.
    """
    beams, sums = ids, torch.zeros(1)  # (beams, length), (beams,)
    best, best_score = ids[0], -torch.inf
    for length in range(1, max_new_tokens + 1):
        log_p = next_logits(beams).log_softmax(dim=-1)
        totals = (sums[:, None] + log_p).flatten()
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

        beams, sums = candidates[~ends][:num_beams], totals[~ends][:num_beams]
    return best, best_score


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    five = torch.tensor([[4.0, 3.0, 2.0, 1.0, 0.0]])
    for temperature in (0.5, 1.0, 2.0):
        kept = process(five, five.new_zeros(1, 0).long(), temperature, p=0.9)
        print(temperature, [round(x, 3) for x in kept.softmax(-1)[0].tolist()])

    # The tree of the lesson: ids 0 "The", 1 sky, 2 sea, 3 fog, 4 was, 5 is, 6 has.
    tree = torch.full((7, 7), 1e-9)
    tree[0, 1:4] = torch.tensor([0.5, 0.4, 0.1])
    tree[1, 4:] = torch.tensor([0.4, 0.35, 0.25])
    tree[2, 4:] = torch.tensor([0.8, 0.15, 0.05])
    start = torch.tensor([[0]])

    def after(ids):
        return tree[ids[:, -1]].log()

    print("greedy", generate(after, start, 2, lambda logits, ids: greedy(logits)).tolist())
    found, score = beam_search(after, start, 2, 2, length_penalty=0.0)
    print("beam 2", found.tolist(), round(torch.tensor(score).exp().item(), 3))
