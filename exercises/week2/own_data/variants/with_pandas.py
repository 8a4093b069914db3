# pandas and scikit-learn in place of loops: read_csv, groupby, two stratified splits, cast_column.
import re

import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict
from sklearn.model_selection import StratifiedShuffleSplit


def read_rows(path):
    table = pd.read_csv(
        path, encoding="utf-8-sig", dtype=str, keep_default_na=False, usecols=["text", "label"]
    )
    table = table[["text", "label"]].fillna("").apply(lambda column: column.str.strip())
    return table[(table.text != "") & (table.label != "")].to_dict("records")


def clean(rows):
    table = pd.DataFrame(rows, columns=["text", "label"])
    same = table.text.map(lambda text: re.sub(r"[\W_]+", "", text.casefold()))
    agreed = table.label.groupby(same).transform("nunique") == 1
    return table[agreed & ~same.duplicated()].to_dict("records")


def _held_out(table, rows, seed):
    cut = StratifiedShuffleSplit(1, test_size=rows, random_state=seed)
    rest, held = next(cut.split(table, table.label))
    return table.iloc[rest], table.iloc[held]


def split(rows, validation=0.1, test=0.1, seed=0):
    table = pd.DataFrame(rows, columns=["text", "label"])
    total = len(table)
    rest, tested = _held_out(table, round(test * total), seed)
    train, validated = _held_out(rest, round(validation * total), seed)
    parts = {"train": train, "validation": validated, "test": tested}
    return {name: part.to_dict("records") for name, part in parts.items()}


def load(path, validation=0.1, test=0.1, seed=0):
    rows = clean(read_rows(path))
    names = sorted({row["label"] for row in rows})
    parts = split(rows, validation=validation, test=test, seed=seed)
    return DatasetDict(
        {
            name: Dataset.from_list(part).cast_column("label", ClassLabel(names=names))
            for name, part in parts.items()
        }
    )
