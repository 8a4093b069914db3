# %% [markdown]
# # Throughput
#
# One generation loop, in batches, with a KV cache; and what it says about speed and cost. Prompt
# and answer are two phases with two speeds: one figure for both compares with nothing.

# %%
import time
from collections.abc import Callable
from dataclasses import dataclass

from exercises import lab

# %% [markdown]
# ## A batch of prompts
#
# Prompts of different lengths are padded on the left, so that the last column is the last token of
# each of them: the next token follows there.


# %%
def pad_left(prompts, pad_id):
    """Return (input_ids, attention_mask, position_ids), int64, each (batch, longest).

    prompts: lists of token ids. attention_mask: 0 on padding. position_ids: 0, 1, 2, … from each
    prompt's own first token; what they are on padding does not matter.
    """
    raise NotImplementedError("pad_left: ids, mask and positions of one batch")


# %% [markdown]
# ## Greedy generation
#
# **Prefill**: one forward pass over the whole prompts; it gives the first new token of each.
# **Decode**: one pass a token, over one column, with the cache of all columns before it.


# %%
@dataclass(frozen=True)
class Run:
    """tokens: for each prompt the new ids, in order; the end-of-text token is the last of them
    where the model wrote one. prefill_s: seconds of the first forward pass, decode_s: of the rest.
    """

    tokens: list[list[int]]
    prefill_s: float
    decode_s: float


def generate(
    model,
    prompts: list[list[int]],
    max_new_tokens: int,
    eos_id: int,
    pad_id: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Run:
    """Continue all prompts greedily, in one batch, by at most max_new_tokens each.

    model: called as transformers' causal LMs are, with input_ids, attention_mask, position_ids,
    past_key_values and use_cache; it returns logits (batch, columns, vocabulary) and
    past_key_values. No pass is made once every prompt has its end-of-text token.
    clock: seconds, only differences count.
    """
    raise NotImplementedError("generate: one prefill, then one column at a time")


# %% [markdown]
# ## Speed and cost


# %%
@dataclass(frozen=True)
class Speed:
    """prompt_tokens, new_tokens: of all prompts together, without padding and without what
    follows an end of text. Rates in tokens a second; 0 where a phase took no time.
    """

    prompt_tokens: int
    new_tokens: int
    prompt_tokens_per_s: float
    decode_tokens_per_s: float
    """Of the decode phase alone: the first token of each prompt came out of prefill."""
    new_tokens_per_s: float
    """New tokens over both phases: what is sold."""


def speed(prompts: list[list[int]], run: Run) -> Speed:
    raise NotImplementedError("speed: count, then divide")


def cost_per_thousand(
    price_per_hour: float, tokens_per_s: float, utilization: float = 1.0
) -> float:
    """Return the price of 1,000 tokens on a machine that works `utilization` (0 to 1) of the hour
    it is paid for."""
    raise NotImplementedError("cost_per_thousand: from an hour to a thousand tokens")


# %% [markdown]
# ## Many prompts


# %%
def plan(lengths: list[int], size: int) -> list[list[int]]:
    """Return batches of at most `size` indices into lengths, as few as there can be. Neighbours in
    length share a batch, so that little is padded."""
    raise NotImplementedError("plan: neighbours in length share a batch")


def generate_all(model, prompts, size, max_new_tokens, eos_id, pad_id=0) -> list[list[int]]:
    """Continue any number of prompts in the batches of `plan`; return the new ids of each, in the
    order of the prompts."""
    raise NotImplementedError(
        "generate_all: each batch of the plan, results in the order of the prompts"
    )


# %% [markdown]
# ## Try it
#
# The 135M on this machine. Watch the two speeds while the batch grows.

# %%
if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    model.eval()
    lines = [line for line in lab.lessons().splitlines() if len(line) > 200][:16]
    ids = [tokenizer(line)["input_ids"] for line in lines]
    for size in (1, 4, 16):
        found = speed(ids[:size], generate(model, ids[:size], 24, tokenizer.eos_token_id))
        price = cost_per_thousand(0.10, found.new_tokens_per_s)
        print(
            f"batch {size:>2}: prompt {found.prompt_tokens_per_s:6.1f} tokens/s, "
            f"decode {found.decode_tokens_per_s:6.1f} tokens/s, "
            f"1,000 new tokens at 0.10 an hour: {price:.5f}"
        )
