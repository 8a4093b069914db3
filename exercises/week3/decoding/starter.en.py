# %% [markdown]
# # Decoding, written out
#
# A model gives logits. Everything else is in this file: change the logits, choose an id, repeat.
# Logits are (batch, vocab) and are never changed in place; what is cut becomes -inf.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week3/decoding`.

# %%
import torch

# %% [markdown]
# ## 1. Change the logits
#
# Five pure functions. The tensor that comes in stays as it is.


# %%
def apply_temperature(logits, temperature):
    """Divide by the temperature. (batch, vocab) -> (batch, vocab).

    Raises ValueError where it is not above 0: the limit towards 0 is `greedy`.
    """
    raise NotImplementedError("apply_temperature: divide, and refuse 0 and below")


def top_k(logits, k):
    """Keep the k best of each row, and whatever equals the k-th. k may exceed the vocabulary."""
    raise NotImplementedError("top_k: -inf below the k-th best logit")


def top_p(logits, p):
    """Keep the smallest set of best tokens whose probabilities reach p; at least one.

    p = 1 keeps every token, however improbable.
    """
    raise NotImplementedError("top_p: sort, add up, cut, and go back to the vocabulary's order")


def repetition_penalty(logits, ids, penalty):
    """Make each token of ids (batch, length) less likely, once however often it occurs."""
    raise NotImplementedError("repetition_penalty: mind the sign of the logit")


def process(logits, ids, temperature=1.0, k=0, p=1.0, penalty=1.0):
    """Apply all four in the order of transformers' generate. k = 0: no top-k."""
    raise NotImplementedError("process: the four functions in the right order")


# %% [markdown]
# ## 2. Choose an id


# %%
def greedy(logits):
    """Return the best id of each row: (batch, vocab) -> (batch,)."""
    raise NotImplementedError("greedy: the best id of each row")


def sample(logits, generator):
    """Draw an id for each row by its probability, with this torch.Generator and no other."""
    raise NotImplementedError("sample: one draw for each row")


# %% [markdown]
# ## 3. Repeat


# %%
def generate(next_logits, ids, max_new_tokens, choose, eos_id=None):
    """Append up to max_new_tokens ids to each row of ids (batch, length).

    next_logits: (batch, length) -> (batch, vocab). choose: (logits, ids) -> (batch,).
    A row that has ended is filled with eos_id; when all have ended, the loop does.
    """
    raise NotImplementedError("generate: logits, choice, append, until every row has ended")


# %% [markdown]
# ## 4. Beam search
#
# Start with one beam of sum 0. At each step, of all beams x vocabulary take the best
# 2 x num_beams sums. A candidate that ends (eos_id, or the last step) is finished if it is among
# the best num_beams of them, and dropped if not. The best num_beams that do not end go on.


# %%
def beam_search(next_logits, ids, num_beams, max_new_tokens, eos_id=None, length_penalty=1.0):
    """Return (ids of the best hypothesis, prompt included, its score) for one prompt (1, length).

    score: the sum of log-probabilities over (generated tokens) ** length_penalty.
    """
    raise NotImplementedError("beam_search: expand, finish, go on, and return the best score")


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
