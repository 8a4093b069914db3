# %% [markdown]
# # 亲手做掩码与两种损失
#
# Devlin 等，2019，“BERT”（arXiv 1810.04805），3.1 节和附录 A.1：选中 15 % 的 token，
# 其中 80 % 变成 [MASK]，10 % 换成随机 token，10 % 保持不变。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week1/masking` 批改。

# %%
import torch

IGNORED = -100  # 任何损失都不计入的标签

# %% [markdown]
# ## collator
#
# 填充、选中、破坏、打标签。所有随机数都来自 `generator`。


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
    """返回掩码语言模型的一个批次：input_ids、attention_mask 和 labels。

    形状都是 (batch, longest)。labels：被选中处为原来的 id，其他处为 -100。
    """
    raise NotImplementedError("collate：填充、选中、破坏、打标签")


# %% [markdown]
# ## 两种损失
#
# logits (batch, n, 词表)，labels (batch, n)。为 -100 的标签不计入。


# %%
def masked_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """返回 -log p(label) 的平均，只计入不为 -100 的标签。"""
    raise NotImplementedError("masked_loss：在计入的标签上对 -log p 取平均")


def causal_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """同上，但位置 i 的 logits 预测 i + 1 处的标签。"""
    raise NotImplementedError("causal_loss：同掩码损失，只是错开一位")


# %% [markdown]
# ## 试一试

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
