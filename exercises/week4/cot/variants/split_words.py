# Another style: no regular expression for yes and no, Fraction-free parsing by hand, numpy.

# %%
import re
from dataclasses import dataclass

import numpy as np


@dataclass
class Problem:
    question: str
    steps: str
    answer: object


@dataclass
class Comparison:
    direct: object
    chain: object
    difference: float
    interval: tuple


# %%
def build_prompt(problem, shots, chain):
    text = ""
    for shot in shots:
        text += "Q: " + shot.question + "\nA: "
        if chain:
            text += shot.steps + " "
        text += "The answer is " + str(shot.answer) + ".\n\n"
    text += "Q: " + problem.question + "\nA:"
    return text + " Let's think step by step." if chain else text


# %%
def _last_claim(text):
    """Return (what follows the last "the answer is" or None, the whole own answer)."""
    lines = []
    for line in text.splitlines():
        if line.startswith("Q:"):
            break
        lines.append(line)
    own = "\n".join(lines)
    at = own.lower().rfind("the answer is")
    return (own[at + len("the answer is") :] if at >= 0 else None), own


def _numbers(text):
    text = text.replace("\u2212", "-")
    text = re.sub(r"[$€£]", "", text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=[\w)])-", " - ", text)  # a minus between two numbers
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text)]


def extract_number(text):
    claim, own = _last_claim(text)
    if claim and (found := _numbers(claim)):
        return found[0]
    found = _numbers(own)
    return found[-1] if found else None


def _words(text):
    cleaned = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return [word for word in cleaned.split() if word in ("yes", "no")]


def extract_yes_no(text):
    claim, own = _last_claim(text)
    if claim and (found := _words(claim)):
        return found[0]
    return (_words(own) or [None])[-1]


def is_right(problem, text):
    if problem.answer in ("yes", "no"):
        return extract_yes_no(text) == problem.answer
    return extract_number(text) == float(problem.answer)


# %%
def paired_bootstrap(direct, chain, draws=4000, seed=3):
    gains = np.asarray(chain, dtype=float) - np.asarray(direct, dtype=float)
    picks = np.random.default_rng(seed).integers(len(gains), size=(draws, len(gains)))
    low, high = np.quantile(gains[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def compare(model, problems, shots):
    outcomes = np.zeros((len(problems), 2), dtype=bool)
    for row, problem in enumerate(problems):
        for column, chain in enumerate((False, True)):
            outcomes[row, column] = is_right(problem, model(build_prompt(problem, shots, chain)))
    direct, chain = outcomes.T
    difference = float(chain.mean() - direct.mean())
    return Comparison(direct, chain, difference, paired_bootstrap(direct, chain))
