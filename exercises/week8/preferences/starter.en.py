# %% [markdown]
# # Preferences: from choices to data
#
# What people clicked is not yet a data set. Between the two stand ties, empty answers, pairs that
# were judged twice and not alike, and habits of whoever clicked.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures. Helpers of your
# own are welcome. Check with `tutor check week8/preferences`.

# %%
import json  # noqa: F401
import math  # noqa: F401
import random  # noqa: F401
from pathlib import Path

from exercises.week8 import judged

CHOICES = ("first", "second", "tie", "skip")
DECIDED = ("first", "second")

# %% [markdown]
# ## 1. Read


# %%
def load(path: Path | str) -> list[dict]:
    """Return the judgements of a file in their order: one JSON object a line, blank ones left
    out.

    Raises ValueError with the number of the line (from 1) that is no judgement: not a JSON object,
    without the texts prompt, first and second, or with another choice than CHOICES.
    """
    raise NotImplementedError("load: read each line, refuse what is no judgement")


# %%
def comparisons(judgements: list[dict]) -> list[dict]:
    """Return the judgements that compare two real answers, their three texts stripped.

    Out: skips, and those of which an answer is empty or both are the same. Ties stay.
    """
    raise NotImplementedError("comparisons: strip the texts, leave out what compares nothing")


# %% [markdown]
# ## 2. Clean
#
# A pair is a prompt and two answers, however they stood on the screen.


# %%
def to_pairs(rows: list[dict]) -> list[dict]:
    """Return trl's conversational preference format: a row for each pair whose decided judgements
    all choose the same answer, in the order in which they were first decided.

    rows: comparisons. Ties choose nothing; a pair that contradicts itself is left out.
    """
    raise NotImplementedError("to_pairs: one row a pair, chosen and rejected, no contradictions")


# %% [markdown]
# ## 3. Split
#
# Two answers to one prompt have much in common. A prompt on both sides makes the held-out part
# easy, and its number worthless.


# %%
def split(pairs: list[dict], share: float = 0.2, seed: int = 0) -> tuple[list[dict], list[dict]]:
    """Return (train, held_out), each in the order of the pairs: round(share · prompts) prompts
    drawn with the seed, at least one, are held out with all their pairs. Prompts that differ only
    in blanks and capitals are one prompt."""
    raise NotImplementedError("split: draw prompts, and put all their pairs on one side")


# %% [markdown]
# ## 4. How far can the choices be trusted?


# %%
def interval(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's score interval for k of n (95 % at z = 1.96); (0, 1) where n is 0."""
    raise NotImplementedError("interval: Wilson's score interval")


def position_bias(rows: list[dict]) -> dict:
    """Return {"k", "n", "share", "low", "high"}: in k of the n decided comparisons the first answer
    was chosen; share is k / n (None where n is 0), low and high its interval."""
    raise NotImplementedError("position_bias: count the first among the decided")


def length_bias(rows: list[dict]) -> dict:
    """Return the same for the longer answer, in characters: n are the decided comparisons between
    answers of different lengths."""
    raise NotImplementedError("length_bias: count the longer among those of different lengths")


def agreement(rows: list[dict]) -> dict:
    """Return {"pairs", "raw", "kappa"}: how the first two judgements of the same pair agree.

    pairs: how many were judged at least twice. raw: the share of them in which both choose the
    same answer, or both a tie. kappa: Cohen's, of the labels "first" and "second", as the two
    answers stood in the first judgement, and "tie". None where nothing can be said: kappa where
    chance alone always agrees, both where no pair was judged twice.
    """
    raise NotImplementedError("agreement: match the first two judgements of a pair; raw and kappa")


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
