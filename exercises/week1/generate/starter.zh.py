# %% [markdown]
# # 亲手让因果语言模型生成文本
#
# 因果语言模型只做一件事：把 id (B, T) 变成 logits (B, T, V)，
# 其中位置 i 的 logits 说的是第 i + 1 个 token。生成、打分、度量，是读 logits 的三种方式。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变；
# `model.generate` 正是这里要写的，所以不要调用它。用 `tutor check week1/generate` 批改。

# %%
import torch

from exercises import lab

# %% [markdown]
# ## 贪心循环
#
# 传入和返回的 id 都是普通列表；只返回新生成的 id，有 EOS 的话也算在内。


# %%
def greedy(model, ids: list[int], max_new_tokens: int, eos: int) -> list[int]:
    """反复追加概率最大的 token，每一步都让整段文本过一遍模型。"""
    raise NotImplementedError("greedy：不用缓存的循环")


def greedy_cached(model, ids: list[int], max_new_tokens: int, eos: int) -> list[int]:
    """id 与上面相同，但每个 token 只过模型一次：key 和 value 会留着。"""
    raise NotImplementedError("greedy_cached：使用 past_key_values 的循环")


# %% [markdown]
# ## 问它一个问题


# %%
def chat_ids(tokenizer, question: str) -> list[int]:
    """返回一段对话的 id：只有这一个问题，到回答开始处为止。"""
    raise NotImplementedError("chat_ids：分词器的对话模板")


def answer(model, tokenizer, question: str, max_new_tokens: int = 60) -> str:
    """返回模型的贪心回答，纯文本，不含提示和特殊 token。"""
    raise NotImplementedError("answer：问题的 id、循环、解码")


# %% [markdown]
# ## 给一段文本打分


# %%
def token_log_probs(model, ids: list[int]) -> torch.Tensor:
    """返回 i = 1 … T - 1 的 log P(ids[i] | ids[:i])，以自然对数计（单位 nat）：(T - 1,)。"""
    raise NotImplementedError("token_log_probs：log-softmax，错开一位")


def perplexity(model, ids: list[int], window: int, stride: int) -> float:
    """返回 exp(负对数概率的平均)，对第 1 … T - 1 个 token 取平均；文本长度不限。

    窗口最多含 `window` 个 token，从 0、stride、2 stride …… 开始（stride < window），
    直到有一个到达末尾。每个窗口只给前面窗口没打过分的 token 打分，其余的当上文。
    """
    raise NotImplementedError("perplexity：窗口互相重叠，每个 token 只打一次分")


# %% [markdown]
# ## 多条一起生成


# %%
def greedy_batch(model, tokenizer, prompts: list[str], max_new_tokens: int) -> list[list[int]]:
    """对每条提示，返回 `greedy` 会在它后面追加的 id，所有行在同一个批次里生成。

    与 `greedy` 一样，一行以 tokenizer.eos_token_id 结束。位置：这里的模型除了 input_ids 和
    attention_mask，还接受 position_ids。
    """
    raise NotImplementedError("greedy_batch：左填充、掩码、位置")


# %% [markdown]
# ## 试一试

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
