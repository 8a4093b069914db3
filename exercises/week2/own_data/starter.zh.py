# %% [markdown]
# # 自己的数据
#
# 从含 `text` 和 `label` 两列的 CSV，到 Trainer 能直接用的三个 Dataset。
# 用 `python own_data.py FILE.csv` 试运行，用 `tutor check week2/own_data` 批改。

# %%
import csv  # noqa: F401 - for read_rows
import random  # noqa: F401 - for split
import sys
from collections import Counter

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value  # noqa: F401 - for load

# %% [markdown]
# ## 1. 读取


# %%
def read_rows(path):
    """返回 [{"text": str, "label": str}]：只要两者都有的行，去掉首尾空白。"""
    raise NotImplementedError("read_rows：文件中的完整行")


# %% [markdown]
# ## 2. 清洗
#
# 副本会落在划分的两边，互相矛盾的标签只会让模型学到噪声。


# %%
def clean(rows):
    """按原顺序返回各行，每条文本只留一次，有两种标签的文本不要。"""
    raise NotImplementedError("clean：每条文本只留一次，没有矛盾")


# %% [markdown]
# ## 3. 划分


# %%
def split(rows, validation=0.1, test=0.1, seed=0):
    """返回 {"train", "validation", "test"}：值为行的列表，按标签分层。

    validation、test：占全部行的比例；其余归 train。
    """
    raise NotImplementedError("split：三个部分，按标签分层")


# %% [markdown]
# ## 4. 做成 Dataset


# %%
def load(path, validation=0.1, test=0.1, seed=0):
    """返回三个部分组成的 DatasetDict，特征为 text 和 label（ClassLabel）。"""
    raise NotImplementedError("load：读取、清洗、划分、做成 Dataset")


# %% [markdown]
# ## 试一试

# %%
if __name__ == "__main__":
    if len(sys.argv) > 1:
        data = load(sys.argv[1])
        print(data)
        for name, part in data.items():
            print(name, Counter(part.features["label"].int2str(part["label"])))
    else:
        rows = [{"text": f"Ticket {n}", "label": "bug" if n % 4 else "wish"} for n in range(40)]
        print({name: len(part) for name, part in split(rows).items()})
