# %% [markdown]
# # Masking, and the two losses by hand
#
# Devlin et al. 2019, "BERT" (arXiv 1810.04805), section 3.1 and appendix A.1: 15 % of the tokens
# are chosen; of these 80 % become [MASK], 10 % a random token, 10 % stay as they are.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week1/masking`.

# %%
import torch

IGNORED = -100  # the label that no loss counts

# %% [markdown]
# ## The collator
#
# Pad, choose, damage, label. Every random number comes from `generator`.


# %%
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
    raise NotImplementedError("collate: pad, choose, damage, label")


# %% [markdown]
# ## The losses
#
# logits (batch, n, vocabulary), labels (batch, n). Labels of -100 do not count.


# %%
def masked_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log p(label) over the labels that are not -100."""
    raise NotImplementedError("masked_loss: mean of -log p over the counted labels")


def causal_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The same, where the logits at position i predict the label at i + 1."""
    raise NotImplementedError("causal_loss: as the masked loss, one position apart")


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
