# %% [markdown]
# # 分词器的工作
#
# BERT 的分词器，以及从一列文本到一批数字要经过的步骤。
# 用 `python tokenizer.py` 试运行，用 `tutor check week2/tokenizer` 批改。

# %%
from transformers import AutoTokenizer

from exercises import lab

IGNORED = -100  # 交叉熵不计入的标签


def load_tokenizer():
    return AutoTokenizer.from_pretrained(lab.encoder_folder())


# %% [markdown]
# ## 1. 一个批次
#
# 各行一样长：与本批最长的文本等长，但绝不超过 max_length。


# %%
def encode_batch(tokenizer, texts, max_length):
    """返回 {"input_ids", "attention_mask"}：每条文本一行，各行一样长。"""
    raise NotImplementedError("encode_batch：带 [CLS] 和 [SEP] 的 id，截断、填充，以及掩码")


# %% [markdown]
# ## 2. 长文本
#
# 影评的结论往往在结尾，所以默认的“保留开头”可能恰恰是最差的选择。


# %%
def head_and_tail(tokenizer, text, max_length, head):
    """返回最多 max_length 个 id：[CLS]、开头 `head` 个词片、结尾的词片、[SEP]。"""
    raise NotImplementedError("head_and_tail：长文本的开头和结尾")


def windows(tokenizer, text, max_length, stride):
    """返回覆盖整条文本的若干行 id：每行连同 [CLS] 和 [SEP] 最多 max_length 个，
    并以上一行的最后 `stride` 个词片开头。"""
    raise NotImplementedError("windows：互相重叠的各行")


# %% [markdown]
# ## 3. 回到原文


# %%
def span_to_tokens(tokenizer, text, start, end):
    """返回与 text[start:end] 有公共字符的 token 的下标：在文本自己的 id 中的位置，
    [CLS] 和 [SEP] 也计数。"""
    raise NotImplementedError("span_to_tokens：从字符到 token")


def align_labels(tokenizer, words, labels):
    """每个 token 返回一个标签，包括 [CLS] 和 [SEP]：单词的标签放在它的第一个 token 上，
    其余为 IGNORED。"""
    raise NotImplementedError("align_labels：从单词到 token")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    tokenizer = load_tokenizer()
    batch = encode_batch(tokenizer, ["A dull film.", "An unwatchable mess of a film."], 8)
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        print(tokenizer.convert_ids_to_tokens(ids), mask)
    text = "Café reviews: unwatchable!"
    print(span_to_tokens(tokenizer, text, text.index("watch"), text.index("!")))
    print(align_labels(tokenizer, ["Unwatchable", "in", "Zürich"], [0, 0, 5]))
