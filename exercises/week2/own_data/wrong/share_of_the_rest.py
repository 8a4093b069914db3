# caught by: sizes
# The test share is taken from what validation has left.
# %% [markdown]
# # Your own data
#
# From a CSV with the columns `text` and `label` to three Datasets that a Trainer takes.
# Try it with `python own_data.py FILE.csv`; check with `tutor check week2/own_data`.

# %%
import csv
import random
import sys
from collections import Counter

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

# %% [markdown]
# ## 1. Reading


# %%
def read_rows(path):
    """Return [{"text": str, "label": str}] of the rows that have both, without outer space."""
    with open(path, encoding="utf-8-sig", newline="") as file:  # newline: the csv module's own
        rows = [
            {name: (row[name] or "").strip() for name in ("text", "label")}
            for row in csv.DictReader(file)
        ]
    return [row for row in rows if row["text"] and row["label"]]


# %% [markdown]
# ## 2. Cleaning
#
# Copies would lie on both sides of the split, and contradictions can only teach noise.


# %%
def key_of(text):
    """Two texts with one key count as the same."""
    return "".join(character for character in text.casefold() if character.isalnum())


def clean(rows):
    """Return the rows in their order, each text once, without those that bear two labels."""
    labels = {}
    for row in rows:
        labels.setdefault(key_of(row["text"]), set()).add(row["label"])
    kept = {}
    for row in rows:
        if len(labels[key_of(row["text"])]) == 1:
            kept.setdefault(key_of(row["text"]), row)
    return list(kept.values())


# %% [markdown]
# ## 3. Splitting


# %%
def split(rows, validation=0.1, test=0.1, seed=0):
    """Return {"train", "validation", "test"}: lists of rows, stratified by label.

    validation, test: shares of the rows; train gets the rest.
    """
    draw = random.Random(seed)
    parts = {"train": [], "validation": [], "test": []}
    for label in sorted({row["label"] for row in rows}):
        mine = [row for row in rows if row["label"] == label]
        draw.shuffle(mine)
        first = round(validation * len(mine))
        second = first + round(test * (len(mine) - first) * 0.8)
        parts["validation"] += mine[:first]
        parts["test"] += mine[first:second]
        parts["train"] += mine[second:]
    for part in parts.values():
        draw.shuffle(part)  # else the labels lie in blocks
    return parts


# %% [markdown]
# ## 4. Datasets


# %%
def load(path, validation=0.1, test=0.1, seed=0):
    """Return a DatasetDict of the three parts, with the features text and label (ClassLabel)."""
    rows = clean(read_rows(path))
    names = sorted({row["label"] for row in rows})
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    parts = split(rows, validation, test, seed)
    return DatasetDict(
        {
            name: Dataset.from_dict(
                {
                    "text": [row["text"] for row in part],
                    "label": [names.index(row["label"]) for row in part],
                },
                features=features,
            )
            for name, part in parts.items()
        }
    )


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
