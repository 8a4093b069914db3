# %% [markdown]
# # 示例越多越准吗？
#
# GPT-3 论文（Brown 等，2020，arXiv 2005.14165）的图 1.2 画出了准确率随提示中示例数的变化。
# 这里为 135M 参数的模型画同样的图：一条带不确定度的曲线，出自一次公平的实验。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week4/icl` 批改。

# %%
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LABELS = (" A", " B")
"""类别 0 和类别 1。标签名本身毫无含义：类别只能从示例中看出。"""
ANIMALS = (
    "dog cat horse cow pig sheep goat lion tiger bear wolf fox rabbit mouse deer monkey elephant "
    "zebra camel donkey"
)
COUNTRIES = (
    "France Japan Brazil Egypt Canada Norway Peru Kenya India Spain Italy Greece Chile Cuba "
    "Poland Turkey Sweden Iran Nepal Mexico"
)
POOL = [(word, 0) for word in ANIMALS.split()] + [(word, 1) for word in COUNTRIES.split()]

Item = tuple[str, int]
"""一个词和它的类别。"""
Predict = Callable[[list[Item], list[str]], Sequence[int]]
"""predict(shots, words) -> 每个词的类别。"""

# %% [markdown]
# ## 模型（已给出）
#
# 示例只读一次，键和值由所有词共用：这就是公共前缀的 KV 缓存，
# 十六个示例的开销几乎和一个一样。


# %%
def model_predict(model, tokenizer) -> Predict:
    """返回一个 predict()，由它问模型：哪个标签更可能是下一个 token。"""
    import torch

    names = [tokenizer(label, add_special_tokens=False)["input_ids"] for label in LABELS]
    first = [ids[0] for ids in names]  # 两个标签各占一个 token

    @torch.no_grad()
    def predict(shots: list[Item], words: list[str]) -> list[int]:
        queries = [tokenizer(f"{w} ->", add_special_tokens=False)["input_ids"] for w in words]
        longest = max(map(len, queries))
        ids = torch.tensor([q + [0] * (longest - len(q)) for q in queries])
        mask = torch.tensor([[1] * len(q) + [0] * (longest - len(q)) for q in queries])
        cache = None
        if shots:
            text = "".join(f"{word} ->{LABELS[label]}\n" for word, label in shots)
            prefix = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
            cache = model(prefix, use_cache=True).past_key_values
            cache.batch_repeat_interleave(len(words))
            mask = torch.cat([torch.ones(len(words), prefix.shape[1], dtype=mask.dtype), mask], 1)
        logits = model(ids, attention_mask=mask, past_key_values=cache).logits
        ends = torch.tensor([len(q) - 1 for q in queries])
        return logits[torch.arange(len(words)), ends][:, first].argmax(-1).tolist()

    return predict


# %% [markdown]
# ## 实验
#
# 公平是指：示例里没有测试词，两类示例一样多，次序打乱，每个规模抽取多次。


# %%
def split(pool: Sequence[Item], test_per_class: int, seed: int) -> tuple[list[Item], list[Item]]:
    """返回 (train, test)：test 每类有 test_per_class 个，其余全归 train。"""
    raise NotImplementedError("split：每类取出测试项，其余全归 train")


def draw_shots(train: Sequence[Item], k: int, seed: int) -> list[Item]:
    """返回 k 个互不相同的项，次序随机，种子相同则结果相同；两类的数量最多相差一个
    （k 为奇数时，哪一类多一个也是随机的）。"""
    raise NotImplementedError("draw_shots：两类均衡、次序打乱、由种子决定")


# %%
@dataclass(frozen=True)
class Point:
    """曲线上的一个点：每抽取一次 k 个示例，就有一个准确率。"""

    k: int
    accuracies: list[float]
    mean: float
    error: float
    """平均值的标准误：s / sqrt(n)，s 的自由度为 n - 1。"""
    interval: tuple[float, float]
    """平均值的 95 % 自助法区间。"""


def measure(
    predict: Predict,
    train: Sequence[Item],
    test: Sequence[Item],
    sizes: Sequence[int] = (0, 1, 2, 4, 8, 16),
    seeds: Sequence[int] = (0, 1, 2, 3, 4, 5),
) -> list[Point]:
    """每个规模返回一个点：每个种子各抽各的示例，测试集都相同。"""
    raise NotImplementedError("measure：每个规模配每个种子，测试集相同")


# %% [markdown]
# ## 平均值有多可靠？


# %%
def standard_error(values: Sequence[float]) -> float:
    """返回 s / sqrt(n)，s 的自由度为 n - 1；n 至少为 2。"""
    raise NotImplementedError("standard_error：标准误 s / sqrt(n)")


def bootstrap(values: Sequence[float], draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """有放回地重采样，返回各次平均值的第 2.5 和第 97.5 百分位。"""
    raise NotImplementedError("bootstrap：重采样、求平均、排序、取两个百分位")


# %% [markdown]
# ## 画出来看


# %%
def draw_plot(points: Sequence[Point], width: int = 40) -> str:
    """以文本返回曲线，每个点一行：k、保留两位小数的平均值，以及个数与平均值成正比的 `#`
    （1.0 对应 width 个，四舍五入）。"""
    raise NotImplementedError("draw_plot：每个点一行，条从零画起")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    from exercises import lab

    model, tokenizer = lab.load_base()
    train, test = split(POOL, test_per_class=8, seed=0)
    points = measure(model_predict(model.eval(), tokenizer), train, test)
    print(draw_plot(points))
    for p in points:
        low, high = p.interval
        print(f"k = {p.k:2d}: {p.mean:.3f} ± {p.error:.3f}, 95 % [{low:.3f}, {high:.3f}]")
