# %% [markdown]
# # Your own data
#
# From a CSV with the columns `text` and `label` to three Datasets that a Trainer takes.
# Try it with `python own_data.py FILE.csv`; check with `tutor check week2/own_data`.

# %%
import csv  # noqa: F401 - for read_rows
import random  # noqa: F401 - for split
import sys
from collections import Counter

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value  # noqa: F401 - for load

# %% [markdown]
# ## 1. Reading


# %%
def read_rows(path):
    """Return [{"text": str, "label": str}] of the rows that have both, without outer space."""
    raise NotImplementedError("read_rows: the complete rows of the file")


# %% [markdown]
# ## 2. Cleaning
#
# Copies would lie on both sides of the split, and contradictions can only teach noise.


# %%
def clean(rows):
    """Return the rows in their order, each text once, without those that bear two labels."""
    raise NotImplementedError("clean: each text once, without contradictions")


# %% [markdown]
# ## 3. Splitting


# %%
def split(rows, validation=0.1, test=0.1, seed=0):
    """Return {"train", "validation", "test"}: lists of rows, stratified by label.

    validation, test: shares of the rows; train gets the rest.
    """
    raise NotImplementedError("split: three parts, stratified by label")


# %% [markdown]
# ## 4. Datasets


# %%
def load(path, validation=0.1, test=0.1, seed=0):
    """Return a DatasetDict of the three parts, with the features text and label (ClassLabel)."""
    raise NotImplementedError("load: read, clean, split, Datasets")


# %% [markdown]
# ## Try it

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
