# %% [markdown]
# # 偏好：从选择到数据
#
# 人们点选的结果还不是数据集。两者之间隔着平手、空回答、前后两次判得不一样的偏好对，
# 还有点选者自己的习惯。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。欢迎自己添加辅助函数。
# 用 `tutor check week8/preferences` 批改。

# %%
import json  # noqa: F401
import math  # noqa: F401
import random  # noqa: F401
from pathlib import Path

from exercises.week8 import judged

CHOICES = ("first", "second", "tie", "skip")
DECIDED = ("first", "second")

# %% [markdown]
# ## 1. 读取


# %%
def load(path: Path | str) -> list[dict]:
    """按原有顺序返回文件中的各条评判，每行一个 JSON 对象，空行略过。

    遇到不是评判的行，抛出带行号（从 1 数起）的 ValueError：不是 JSON 对象，
    prompt、first、second 三段文本不全，或 choice 不在 CHOICES 之中。
    """
    raise NotImplementedError("load：逐行读取，拒绝不是评判的行")


# %%
def comparisons(judgements: list[dict]) -> list[dict]:
    """返回真正比较了两个回答的评判，三段文本都去掉首尾空白。

    去掉：跳过的，以及有回答为空或两个回答相同的。平手保留。
    """
    raise NotImplementedError("comparisons：文本去掉首尾空白，剔除没有比较意义的")


# %% [markdown]
# ## 2. 清洗
#
# 一对是一条提示和两个回答，不论它们在屏幕上谁在前。


# %%
def to_pairs(rows: list[dict]) -> list[dict]:
    """返回 trl 的对话式偏好格式：一对的所有已决定的评判都选同一个回答，就有一行；
    各行按每对首次被决定的先后排列。

    rows：comparisons 的结果。平手不算选择；自相矛盾的对不要。
    """
    raise NotImplementedError("to_pairs：每对一行，分出 chosen 和 rejected，没有矛盾")


# %% [markdown]
# ## 3. 划分
#
# 同一条提示的两个回答有很多共同之处。一条提示若两边都有，留出部分就变得容易，
# 测出的数字也就毫无价值。


# %%
def split(pairs: list[dict], share: float = 0.2, seed: int = 0) -> tuple[list[dict], list[dict]]:
    """返回 (train, held_out)，各自保持 pairs 的顺序：用种子抽出 round(share · 提示数) 条提示，
    至少一条，连同它们的所有对一起留出。只有空白和大小写不同的提示算同一条。"""
    raise NotImplementedError("split：抽取提示，同一提示的所有对放在同一边")


# %% [markdown]
# ## 4. 这些选择有多可信？


# %%
def interval(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """返回 n 次中有 k 次时的 Wilson 得分区间（z = 1.96 即 95 %）；n 为 0 时返回 (0, 1)。"""
    raise NotImplementedError("interval：Wilson 得分区间")


def position_bias(rows: list[dict]) -> dict:
    """返回 {"k", "n", "share", "low", "high"}：n 次已决定的比较中，有 k 次选了第一个回答；
    share 是 k / n（n 为 0 时为 None），low 和 high 是它的区间。"""
    raise NotImplementedError("position_bias：已决定的比较中，选第一个的次数")


def length_bias(rows: list[dict]) -> dict:
    """对较长的回答（按字符数）返回同样的各项：n 是已决定的比较中，两个回答长度不同的次数。"""
    raise NotImplementedError("length_bias：长度不同的比较中，选较长者的次数")


def agreement(rows: list[dict]) -> dict:
    """返回 {"pairs", "raw", "kappa"}：同一对的前两次评判有多一致。

    pairs：至少评判过两次的有多少对。raw：其中两次选同一个回答或两次都是平手的比例。kappa：
    Cohen's kappa，标签是 "first" 和 "second"（按两个回答在第一次评判中的位置）以及 "tie"。
    无从谈起时为 None：单凭偶然就总是一致时，kappa 为 None；没有哪一对评判过两次时，raw 和
    kappa 都为 None。
    """
    raise NotImplementedError("agreement：对上同一对的前两次评判；raw 和 kappa")


# %% [markdown]
# ## 试一试
#
# `tutor prefer` 收集你自己的选择；在本目录下运行 `tutor prefer --raw judgements.jsonl`，
# 就会把它们放到这个文件旁边。

# %%
OWN = Path(__file__).with_name("judgements.jsonl") if "__file__" in globals() else Path()

if __name__ == "__main__":
    judgements = load(OWN) if OWN.is_file() else judged.simulate()
    rows = comparisons(judgements)
    pairs = to_pairs(rows)
    train, held_out = split(pairs)
    print(f"{len(judgements)} judgements, {len(rows)} comparisons, {len(pairs)} clean pairs")
    print(f"{len(train)} to train on, {len(held_out)} held out")
    for name, bias in (("first", position_bias(rows)), ("longer", length_bias(rows))):
        print(f"{name} chosen: {bias['k']} of {bias['n']}, {bias['low']:.2f} to {bias['high']:.2f}")
    print("judged twice:", agreement(rows))
