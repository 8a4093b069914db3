# caught by: masked_loss
# The sum is divided by all positions, not by the counted ones.
# %% [markdown]
# # Masking, and the two losses by hand
#
# Devlin et al. 2019, "BERT" (arXiv 1810.04805), section 3.1 and appendix A.1: 15 % of the tokens
# are chosen; of these 80 % become [MASK], 10 % a random token, 10 % stay as they are.

# %%
import torch

IGNORED = -100  # the label that no loss counts

# %% [markdown]
# ## The collator


# %%
def pad(sequences: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (input_ids, attention_mask), both (batch, longest)."""
    shape = (len(sequences), max(map(len, sequences)))
    input_ids = torch.full(shape, pad_id)
    attention_mask = torch.zeros(shape, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        input_ids[row, : len(sequence)] = torch.tensor(sequence)
        attention_mask[row, : len(sequence)] = 1
    return input_ids, attention_mask


def collate(
    sequences: list[list[int]],
    *,
    mask_id: int,
    pad_id: int,
    special_ids: set[int],
    vocab_size: int,
    generator: torch.Generator,
    probability: float = 0.15,
) -> dict[str, torch.Tensor]:
    """Return a batch for a masked language model: input_ids, attention_mask and labels.

    All are (batch, longest). labels: the original id of the chosen tokens, -100 elsewhere.
    """
    original, attention_mask = pad(sequences, pad_id)
    shape = original.shape
    special = torch.isin(original, torch.tensor(sorted(special_ids), dtype=torch.long))
    choosable = attention_mask.bool() & ~special
    chosen = choosable & (torch.rand(shape, generator=generator) < probability)

    fate = torch.rand(shape, generator=generator)  # one draw, so that the shares add up
    masked = chosen & (fate < 0.8)
    replaced = chosen & (fate >= 0.9)
    random_ids = torch.randint(vocab_size, shape, generator=generator)
    input_ids = torch.where(replaced, random_ids, original.masked_fill(masked, mask_id))
    labels = original.masked_fill(~chosen, IGNORED)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


# %% [markdown]
# ## The losses


# %%
def masked_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log p(label) over the labels that are not -100.

    logits (batch, n, vocabulary), labels (batch, n).
    """
    counted = labels != IGNORED
    log_p = logits[counted].log_softmax(-1)  # (counted, vocabulary)
    return -log_p.gather(-1, labels[counted][:, None]).sum() / labels.numel()


def causal_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The same, where the logits at position i predict the label at i + 1."""
    return masked_loss(logits[:, :-1], labels[:, 1:])


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    from tokenizers import Tokenizer

    from tutor.base import assets

    tokenizer = Tokenizer.from_file(str(assets.path("minilm") / "tokenizer.json"))
    tokenizer.no_padding()
    texts = ["A small model that repairs damaged text must read both sides of every gap.", "Short."]
    batch = collate(
        [tokenizer.encode(text).ids for text in texts],
        mask_id=tokenizer.token_to_id("[MASK]"),
        pad_id=tokenizer.token_to_id("[PAD]"),
        special_ids={tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]")},
        vocab_size=tokenizer.get_vocab_size(),
        generator=torch.Generator().manual_seed(1),
    )
    for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        print(" ".join(tokenizer.id_to_token(i) for i in ids))
        print("  to repair:", [tokenizer.id_to_token(i) for i in labels if i != IGNORED])
