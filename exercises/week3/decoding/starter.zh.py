# %% [markdown]
# # 手写解码策略
#
# 模型只给出 logits，其余的都在这个文件里：改动 logits，选出一个 id，如此反复。
# logits 的形状是 (batch, vocab)，绝不就地修改；截掉的填 -inf。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week3/decoding` 批改。

# %%
import torch

# %% [markdown]
# ## 1. 改动 logits
#
# 五个纯函数，传入的张量保持原样。


# %%
def apply_temperature(logits, temperature):
    """除以温度。(batch, vocab) -> (batch, vocab)。

    温度不大于 0 时抛出 ValueError：趋于 0 的极限就是 `greedy`。
    """
    raise NotImplementedError("apply_temperature：相除，并拒绝 0 及以下的温度")


def top_k(logits, k):
    """每行保留前 k 名，与第 k 名相等的也留下。k 可以超过词表大小。"""
    raise NotImplementedError("top_k：低于第 k 名的 logit 填 -inf")


def top_p(logits, p):
    """从概率最大的 token 起，保留概率之和达到 p 的最小集合；至少一个。

    p = 1 时保留所有 token，概率再小也不截。
    """
    raise NotImplementedError("top_p：排序、累加、截断，再还原成词表的次序")


def repetition_penalty(logits, ids, penalty):
    """压低 ids (batch, length) 中每个 token 的概率，出现几次都只压一次。"""
    raise NotImplementedError("repetition_penalty：注意 logit 的正负号")


def process(logits, ids, temperature=1.0, k=0, p=1.0, penalty=1.0):
    """按 transformers 的 generate 的次序依次应用四者。k = 0：不做 top-k。"""
    raise NotImplementedError("process：四个函数，按正确的次序")


# %% [markdown]
# ## 2. 选出一个 id


# %%
def greedy(logits):
    """返回每行最好的 id：(batch, vocab) -> (batch,)。"""
    raise NotImplementedError("greedy：每行最好的 id")


def sample(logits, generator):
    """按概率为每行抽一个 id，随机数只来自传入的这个 torch.Generator。"""
    raise NotImplementedError("sample：每行抽一次")


# %% [markdown]
# ## 3. 循环


# %%
def generate(next_logits, ids, max_new_tokens, choose, eos_id=None):
    """在 ids (batch, length) 的每行后面接上至多 max_new_tokens 个 id。

    next_logits：(batch, length) -> (batch, vocab)。choose：(logits, ids) -> (batch,)。
    已结束的行填 eos_id；所有行都结束时，循环也就结束。
    """
    raise NotImplementedError("generate：取 logits、选择、接上，直到每行都结束")


# %% [markdown]
# ## 4. 束搜索
#
# 开始时只有一条束，和为 0。每一步从“所有束 × 词表”中取出和最大的 2 × num_beams 个候选。
# 到此结束的候选（遇到 eos_id，或已是最后一步），排在其中前 num_beams 名的算完成，否则丢掉。
# 没有结束的候选中，最好的 num_beams 个继续。


# %%
def beam_search(next_logits, ids, num_beams, max_new_tokens, eos_id=None, length_penalty=1.0):
    """对一个提示 (1, length)，返回（最好候选的 ids，含提示；它的分数）。

    分数：对数概率之和 / (生成的 token 数) ** length_penalty。
    """
    raise NotImplementedError("beam_search：扩展、完成、继续，返回分数最好的")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    five = torch.tensor([[4.0, 3.0, 2.0, 1.0, 0.0]])
    for temperature in (0.5, 1.0, 2.0):
        kept = process(five, five.new_zeros(1, 0).long(), temperature, p=0.9)
        print(temperature, [round(x, 3) for x in kept.softmax(-1)[0].tolist()])

    # 课文里的那棵树：id 0 是 “The”，1 sky，2 sea，3 fog，4 was，5 is，6 has。
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
