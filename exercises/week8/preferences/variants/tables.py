# Another style: pandas tables in place of lists, prompts split by their hashes, the interval from
# its quadratic equation, kappa by scikit-learn.
import hashlib
import json

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

TEXTS = ["prompt", "first", "second"]


def load(path):
    rows = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                good = row["choice"] in ("first", "second", "tie", "skip")
                good = good and all(type(row[name]) is str for name in TEXTS)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}:{number}") from error
            if not good:
                raise ValueError(f"{path}:{number}")
            rows.append(row)
    return rows


def comparisons(judgements):
    table = pd.DataFrame(judgements)
    for name in TEXTS:
        table[name] = table[name].str.strip()
    both = (table["first"] != "") & (table["second"] != "") & (table["first"] != table["second"])
    return table[both & (table["choice"] != "skip")].to_dict("records")


def winners(rows):
    """The rows as a table, with the answer that was chosen, the other, and the pair's own name."""
    table = pd.DataFrame(rows, columns=[*TEXTS, "choice"])
    chose_first = table["choice"] == "first"
    table["chosen"] = np.where(chose_first, table["first"], table["second"])
    table["rejected"] = np.where(chose_first, table["second"], table["first"])
    low = np.where(table["first"] < table["second"], table["first"], table["second"])
    table["pair"] = list(zip(table["prompt"], low, strict=True))
    high = np.where(table["first"] < table["second"], table["second"], table["first"])
    table["pair"] = [(*one, other) for one, other in zip(table["pair"], high, strict=True)]
    return table


def to_pairs(rows):
    table = winners(rows)
    table = table[table["choice"] != "tie"]
    out = []
    for _, group in table.groupby("pair", sort=False):
        if group["chosen"].nunique() == 1:
            one = group.iloc[0]
            said = {"chosen": one["chosen"], "rejected": one["rejected"]}
            messages = {n: [{"role": "assistant", "content": t}] for n, t in said.items()}
            out.append({"prompt": [{"role": "user", "content": one["prompt"]}], **messages})
    return out


def split(pairs, share=0.2, seed=0):
    keys = [" ".join(p["prompt"][0]["content"].casefold().split()) for p in pairs]
    unique = sorted(set(keys), key=lambda k: hashlib.md5(f"{seed} {k}".encode()).digest())
    out = set(unique[: max(1, round(share * len(unique)))])
    parts = ([], [])
    for pair, key in zip(pairs, keys, strict=True):
        parts[key in out].append(pair)
    return parts


def interval(k, n, z=1.96):
    if not n:
        return [0.0, 1.0]
    # (p - k/n)^2 = z^2 p (1 - p) / n
    a, b, c = 1 + z**2 / n, -(2 * k / n + z**2 / n), (k / n) ** 2
    return sorted(np.roots([a, b, c]).real.clip(0, 1).tolist())


def share_of(hits):
    k, n = int(hits.sum()), len(hits)
    low, high = interval(k, n)
    return {"k": k, "n": n, "share": k / n if n else float("nan"), "low": low, "high": high}


def position_bias(rows):
    choices = pd.Series([r["choice"] for r in rows], dtype=object)
    return share_of(choices[choices != "tie"] == "first")


def length_bias(rows):
    table = winners(rows)
    table = table[table["choice"] != "tie"]
    gap = table["chosen"].str.len() - table["rejected"].str.len()
    return share_of(gap[gap != 0] > 0)


def agreement(rows):
    table = winners(rows)
    before, after = [], []
    for _, group in table.groupby("pair", sort=False):
        if len(group) < 2:
            continue
        one, two = group.iloc[0], group.iloc[1]
        named = {one["first"]: "first", one["second"]: "second"}
        before.append(one["choice"])
        after.append("tie" if two["choice"] == "tie" else named[two["chosen"]])
    if not before:
        return {"pairs": 0, "raw": None, "kappa": None}
    same = float(np.mean(np.array(before) == np.array(after)))
    return {"pairs": len(before), "raw": same, "kappa": cohen_kappa_score(before, after)}
