# %% [markdown]
# # 拆开两个模型看看
#
# 一个编码器（BERT 一族：左右两侧都看得到），一个因果语言模型（Llama 一族：只看得到左侧）。
# 把两者都加载进来，看看里面流过的是什么。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week1/load_models` 批改。

# %%
import torch

# %% [markdown]
# ## 加载
#
# `lab.encoder_folder()` 和 `lab.base_folder("float32")` 可以直接传给 `from_pretrained`：
# 它们是文件夹，里面有 config.json、safetensors 格式的权重和分词器。
# 需要的 Auto 类请自行从 transformers 导入，另外还要 `from exercises import lab`。


# %%
def load_models():
    """返回 (编码器, 它的分词器, 因果语言模型, 它的分词器)，可以直接推理。"""
    raise NotImplementedError("load_models：不带头的编码器和因果语言模型")


# %% [markdown]
# ## 形状


# %%
def shapes(model, tokenizer, texts: list[str]) -> dict[str, tuple[int, ...]]:
    """把文本填充成一个批次，过一遍模型，返回各项结果的形状。

    "input_ids"：(B, T)。"hidden_states"：全部堆叠后的形状，第一项是嵌入的输出：
    (块数 + 1, B, T, d)。"logits"：(B, T, V)，模型有输出层时才给。
    """
    raise NotImplementedError("shapes：一次前向传播，取出全部 hidden states")


# %% [markdown]
# ## 数参数
#
# 先数内存里的模型，再只凭配置来算：`config` 有 BertConfig 或 LlamaConfig 的各个字段
# （`config.hidden_size` 等），此外什么也没有。


# %%
def count(model) -> tuple[int, int]:
    """返回 (参数总数, token 表的参数数)；共享的矩阵只算一次。"""
    raise NotImplementedError("count：参数总数，以及 token 表的参数数")


def encoder_parameters(config) -> int:
    """返回 BertModel(config) 的参数量，含 pooler。"""
    raise NotImplementedError("encoder_parameters：嵌入、各块、pooler")


def causal_parameters(config) -> int:
    """返回 LlamaForCausalLM(config) 的参数量。query 有 num_attention_heads 个头，
    key 和 value 有 num_key_value_heads 个，每个头宽 head_dim；
    输出层怎么算，由 tie_word_embeddings 决定。"""
    raise NotImplementedError("causal_parameters：token 表、各块、最后的 norm、输出层")


# %% [markdown]
# ## 注意力图


# %%
def attention_maps(model, tokenizer, text: str) -> torch.Tensor:
    """返回一段文本的注意力权重：(层, 头, T, T)；一行对应一个 query。"""
    raise NotImplementedError("attention_maps：eager 注意力，所有层放进一个张量")


def weight_on_later_tokens(maps: torch.Tensor) -> float:
    """返回 query 把多大比例的注意力给了后面的 token，对所有层、头、query 取平均。

    maps：(层, 头, T, T)。
    """
    raise NotImplementedError("weight_on_later_tokens：对角线上方的部分")


def previous_token_head(maps: torch.Tensor) -> tuple[int, int, float]:
    """找出最爱看前一个 token 的头，返回它的 (层, 头, 权重)。

    权重：第 1 到第 T - 1 个 token 给各自前一个 token 的注意力，取平均。
    """
    raise NotImplementedError("previous_token_head：主对角线下面的那条对角线")


# %% [markdown]
# ## 句向量


# %%
def sentence_embeddings(model, tokenizer, texts: list[str]) -> torch.Tensor:
    """每段文本返回一个长度为 1 的向量：(N, d)。

    与 sentence-transformers 使用这个编码器时的做法相同：最后的 hidden state 对所有真实 token
    取平均（[CLS] 和 [SEP] 算在内，填充不算），再缩放到长度 1。
    """
    raise NotImplementedError("sentence_embeddings：对真实 token 取平均，长度为 1")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    encoder, encoder_tokenizer, lm, lm_tokenizer = load_models()
    text = "The tokenizer splits a text into tokens, and the model looks each of them up."
    for model, tokenizer in ((encoder, encoder_tokenizer), (lm, lm_tokenizer)):
        total, table = count(model)
        print(f"{type(model).__name__}: {total:,} parameters, {table / total:.0%} in the table")
        print(shapes(model, tokenizer, [text, "Short."]))
        maps = attention_maps(model, tokenizer, text)
        layer, head, weight = previous_token_head(maps)
        print(f"on later tokens: {weight_on_later_tokens(maps):.2f}")
        print(f"layer {layer}, head {head} looks at the previous token with {weight:.2f}")
    sentences = ["A cat sits on the mat.", "A kitten is resting on a rug.", "Shares fell today."]
    vectors = sentence_embeddings(encoder, encoder_tokenizer, sentences)
    print(vectors @ vectors.T)  # 长度都是 1，所以得到的就是余弦相似度
