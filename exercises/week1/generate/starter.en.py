# %% [markdown]
# # Text from a causal LM, by hand
#
# A causal language model does one thing: it turns ids (B, T) into logits (B, T, V), where the
# logits at position i are about token i + 1. Generating, scoring and measuring are three ways to
# read them.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures; `model.generate`
# is what you write here, so do not call it. Check with `tutor check week1/generate`.

# %%
import torch

from exercises import lab

# %% [markdown]
# ## The greedy loop
#
# Ids go in and come out as plain lists; only the new ids come out, with the EOS if there is one.


# %%
def greedy(model, ids: list[int], max_new_tokens: int, eos: int) -> list[int]:
    """Append the most probable token again and again, the whole text through the model each time."""
    raise NotImplementedError("greedy: the loop without a cache")


def greedy_cached(model, ids: list[int], max_new_tokens: int, eos: int) -> list[int]:
    """The same ids, but each token goes through the model once: keys and values are kept."""
    raise NotImplementedError("greedy_cached: the loop with past_key_values")


# %% [markdown]
# ## Ask it something


# %%
def chat_ids(tokenizer, question: str) -> list[int]:
    """Return the ids of a conversation with this one question, up to where the answer begins."""
    raise NotImplementedError("chat_ids: the tokenizer's chat template")


def answer(model, tokenizer, question: str, max_new_tokens: int = 60) -> str:
    """Return the model's greedy answer as text, without the prompt and special tokens."""
    raise NotImplementedError("answer: the question's ids, the loop, decoded")


# %% [markdown]
# ## Score a text


# %%
def token_log_probs(model, ids: list[int]) -> torch.Tensor:
    """Return log P(ids[i] | ids[:i]) in nats for i = 1 … T - 1: (T - 1,)."""
    raise NotImplementedError("token_log_probs: log-softmax, shifted by one")


def perplexity(model, ids: list[int], window: int, stride: int) -> float:
    """Return exp(mean negative log-probability) over the tokens 1 … T - 1 of a text of any length.

    Windows of at most `window` tokens begin at 0, stride, 2 stride, … (stride < window), until
    one reaches the end. Each window scores the tokens that none before it has scored, and uses
    its others as context.
    """
    raise NotImplementedError("perplexity: windows that overlap, each token scored once")


# %% [markdown]
# ## Several at once


# %%
def greedy_batch(model, tokenizer, prompts: list[str], max_new_tokens: int) -> list[list[int]]:
    """Return for each prompt the ids that `greedy` would append to it, all rows in one batch.

    A row ends with tokenizer.eos_token_id, as with `greedy`. Positions: the models here take
    position_ids beside input_ids and attention_mask.
    """
    raise NotImplementedError("greedy_batch: left padding, mask, positions")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    model, tokenizer = lab.load_base("float32")
    prompt = tokenizer("Once upon a time, in a small village,")["input_ids"]
    new = greedy_cached(model, prompt, 30, tokenizer.eos_token_id)
    print(tokenizer.decode(prompt + new))
    print(answer(model, tokenizer, "What is the capital of France?"))
    for text in ("The capital of France is Paris.", "The capital of France is banana."):
        text_ids = tokenizer(text)["input_ids"]
        print(text, f"perplexity {perplexity(model, text_ids, 1024, 512):.1f}")
        for i, value in zip(text_ids[1:], token_log_probs(model, text_ids).tolist(), strict=True):
            print(f"  {tokenizer.decode([i])!r:12} {value:7.2f}")
