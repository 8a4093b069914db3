# %% [markdown]
# # Preferences: from choices to data
#
# What people clicked is not yet a data set. Between the two stand ties, empty answers, pairs that
# were judged twice and not alike, and habits of whoever clicked.

# %%
import json
import math
import random
from collections import Counter
from pathlib import Path

from exercises.week8 import judged

CHOICES = ("first", "second", "tie", "skip")
DECIDED = ("first", "second")

# %% [markdown]
# ## 1. Read


# %%
def load(path: Path | str) -> list[dict]:
    """Return the judgements of a file, one JSON object a line, in their order.

    Raises ValueError with the number of the line (from 1) that is no judgement: not a JSON object,
    without the texts prompt, first and second, or with another choice than CHOICES.
    """
    rows = []
    for number, line in enumerate(Path(path).read_text("utf-8").split("\n"), 1):
        if line.strip():
            rows.append(parse(line, number))
    return rows


def parse(line: str, number: int) -> dict:
    """Return the judgement in a line."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error
    if not isinstance(row, dict) or row.get("choice") not in CHOICES:
        raise ValueError(f"line {number} holds no judgement")
    if not all(isinstance(row.get(name), str) for name in ("prompt", "first", "second")):
        raise ValueError(f"line {number}: prompt, first and second must be texts")
    return row


# %%
def comparisons(judgements: list[dict]) -> list[dict]:
    """Return the judgements that compare two real answers, their three texts stripped.

    Out: skips, and those of which an answer is empty or both are the same. Ties stay.
    """
    kept = []
    for row in judgements:
        texts = {name: row[name].strip() for name in ("prompt", "first", "second")}
        real = texts["first"] and texts["second"] and texts["first"] != texts["second"]
        if row["choice"] != "skip" and real:
            kept.append(row | texts)
    return kept


# %% [markdown]
# ## 2. Clean
#
# A pair is a prompt and two answers, however they stood on the screen.


# %%
def pair_of(row: dict) -> tuple:
    """Return what is the same for every judgement of the same pair."""
    return row["prompt"], *sorted((row["first"], row["second"]))


def chosen_of(row: dict) -> str:
    """Return the answer that was chosen; the choice must be decided."""
    return row[row["choice"]]


def rejected_of(row: dict) -> str:
    return row["second" if row["choice"] == "first" else "first"]


def to_pairs(rows: list[dict]) -> list[dict]:
    """Return trl's conversational preference format: a row for each pair whose decided judgements
    all choose the same answer, in the order in which they were first decided.

    rows: comparisons. Ties choose nothing; a pair that contradicts itself is left out.
    """
    decided = [row for row in rows if row["choice"] in DECIDED]
    votes: dict[tuple, set] = {}
    for row in decided:
        votes.setdefault(pair_of(row), set()).add(chosen_of(row))
    first = {pair_of(row): row for row in reversed(decided)}
    return [conversation(first[pair]) for pair, answers in votes.items() if len(answers) == 1]


def conversation(row: dict) -> dict:
    """Return one decided judgement as trl takes it: lists of messages."""
    return {
        "prompt": [{"role": "user", "content": row["prompt"]}],
        "chosen": [{"role": "assistant", "content": chosen_of(row)}],
        "rejected": [{"role": "assistant", "content": rejected_of(row)}],
    }


# %% [markdown]
# ## 3. Split
#
# Two answers to one prompt have much in common. A prompt on both sides makes the held-out part
# easy, and its number worthless.


# %%
def prompt_key(pair: dict) -> str:
    """Return the prompt, however it was typed."""
    return " ".join(pair["prompt"][0]["content"].split()).casefold()


def split(pairs: list[dict], share: float = 0.2, seed: int = 0) -> tuple[list[dict], list[dict]]:
    """Return (train, held_out), each in the order of the pairs: round(share · prompts) prompts
    drawn with the seed, at least one, are held out with all their pairs. Prompts that differ only
    in blanks and capitals are one prompt."""
    prompts = sorted({prompt_key(pair) for pair in pairs})
    out = set(random.Random(seed).sample(prompts, max(1, round(share * len(prompts)))))
    train = [pair for pair in pairs if prompt_key(pair) not in out]
    return train, [pair for pair in pairs if prompt_key(pair) in out]


# %% [markdown]
# ## 4. How far can the choices be trusted?


# %%
def interval(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's score interval for k of n (95 % at z = 1.96); (0, 1) where n is 0."""
    if n == 0:
        return 0.0, 1.0
    share = k / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (centre - half) / scale, (centre + half) / scale


def counted(k: int, n: int) -> dict:
    """Return k of n as a share with its interval."""
    low, high = interval(k, n)
    return {"k": k, "n": n, "share": k / n if n else None, "low": low, "high": high}


def position_bias(rows: list[dict]) -> dict:
    """Return {"k", "n", "share", "low", "high"}: in k of the n decided comparisons the first answer
    was chosen; share is k / n (None where n is 0), low and high its interval."""
    choices = Counter(row["choice"] for row in rows)
    return counted(choices["first"], choices["first"] + choices["second"])


def length_bias(rows: list[dict]) -> dict:
    """Return the same for the longer answer, in characters: n are the decided comparisons between
    answers of different lengths."""
    decided = [row for row in rows if row["choice"] in DECIDED]
    gaps = [len(chosen_of(row)) - len(rejected_of(row)) for row in decided]
    return counted(sum(gap > 0 for gap in gaps), sum(gap != 0 for gap in gaps))


def agreement(rows: list[dict]) -> dict:
    """Return {"pairs", "raw", "kappa"}: how the first two judgements of the same pair agree.

    pairs: how many were judged at least twice. raw: the share of them in which both choose the
    same answer, or both a tie. kappa: Cohen's, of the labels "first" and "second", as the two
    answers stood in the first judgement, and "tie". None where nothing can be said: kappa where
    chance alone always agrees, both where no pair was judged twice.
    """
    judged_alike: dict[tuple, list[dict]] = {}
    for row in rows:
        judged_alike.setdefault(pair_of(row), []).append(row)
    twice = [(a[0], a[1]) for a in judged_alike.values() if len(a) > 1]
    labels = [(one["choice"], as_seen_in(one, two)) for one, two in twice]
    n = len(labels)
    if n == 0:
        return {"pairs": 0, "raw": None, "kappa": None}
    raw = sum(a == b for a, b in labels) / n
    before, after = Counter(a for a, _ in labels), Counter(b for _, b in labels)
    chance = sum(before[label] * after[label] for label in before) / n**2
    return {"pairs": n, "raw": raw, "kappa": (raw - chance) / (1 - chance) if chance < 1 else None}


def as_seen_in(one: dict, two: dict) -> str:
    """Return the choice of `two`, named by the places of `one`."""
    if two["choice"] == "tie" or one["first"] == two["first"]:
        return two["choice"]
    return "second" if two["choice"] == "first" else "first"


# %% [markdown]
# ## Try it
#
# `tutor prefer` collects your own choices; `tutor prefer --raw judgements.jsonl`, in this folder,
# puts them beside this file.

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
