# %% [markdown]
# # 用编码器做命名实体识别
#
# 每个词一个标签：B- 开始一个实体，I- 延续它，O 在实体之外。
# 编码器认识的是子词，不是词；计分则按整个实体。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check foundations/ner` 批改。

# %%
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from exercises import lab
from exercises.foundations.entities import Sentence

IGNORED = -100  # cross_entropy 会略过这样的标签

# %% [markdown]
# ## 从词到子词


# %%
def align(
    tokenizer: PreTrainedTokenizerBase, words: list[str], tags: list[str]
) -> dict[str, list[int]]:
    """返回一个句子的 input_ids、attention_mask 和 labels，含 [CLS] 和 [SEP]。

    词的首个子词带该词的标签（用它在 LABELS 中的位置表示）；其余子词和特殊 token 为 IGNORED。
    """
    raise NotImplementedError("align：哪个子词属于哪个词？")


def collate(
    tokenizer: PreTrainedTokenizerBase, examples: list[dict[str, list[int]]]
) -> dict[str, torch.Tensor]:
    """返回一个批次：张量形状为 (n, 最长句的长度)，在右侧填充。
    填充既不参与注意力，也不计入损失。"""
    raise NotImplementedError("collate：三个张量，各有各的填充值")


# %% [markdown]
# ## 从标签到实体
#
# 模型可能在前面没有 PER 可接的地方写出 I-PER（在 O 之后，或在 B-ORG 之后）。
# 像 CoNLL 的评分程序那样，把它视为新实体的开始。


# %%
def spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """返回各实体，写成 (类型, 第一个词, 最后一个词的下一个词)。"""
    raise NotImplementedError("spans：实体从哪里开始，到哪里结束？")


def entity_f1(gold: list[list[str]], predicted: list[list[str]]) -> tuple[float, float, float]:
    """返回精确率、召回率和 F1，按所有句子的实体合起来计算（微平均）。

    句子、类型和两端都对，这个实体才算对。比值 0 / 0 记为 0。
    """
    raise NotImplementedError("entity_f1：数一数正确的、预测的、真实的实体")


# %% [markdown]
# ## 模型


# %%
def build_model() -> nn.Module:
    """返回预训练编码器（`lab.encoder_folder()`）加一个新的分类头，
    为每个子词给出 LABELS 中每个标签的 logit；模型的 config 里有各标签的名称。"""
    raise NotImplementedError("build_model：AutoModelForTokenClassification，以及各个标签")


def fit(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    sentences: list[Sentence],
    seed: int = 0,
) -> None:
    """用 (words, tags) 对就地微调整个模型。"""
    raise NotImplementedError("fit：foundations/mlp 的循环；损失由模型计算")


def predict(model: nn.Module, tokenizer: PreTrainedTokenizerBase, words: list[str]) -> list[str]:
    """在 eval 模式下，为每个词返回一个标签，即其首个子词的标签。"""
    raise NotImplementedError("predict：从子词的 logits 到词的标签")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    from exercises.foundations import entities

    _, pieces_of = lab.load_encoder()
    tagger = build_model()
    fit(tagger, pieces_of, entities.sentences("train", 400))
    held_out = entities.sentences("held_out", 100)
    guesses = [predict(tagger, pieces_of, words) for words, _ in held_out]
    figures = entity_f1([tags for _, tags in held_out], guesses)
    print("held out: precision {:.3f}, recall {:.3f}, F1 {:.3f}".format(*figures))
    sentence = ["Ada", "Lovelace", "met", "Charles", "Babbage", "in", "London", "."]
    print(list(zip(sentence, predict(tagger, pieces_of, sentence), strict=True)))
