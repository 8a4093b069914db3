# %% [markdown]
# # With and without a chain of thought
#
# Wei et al. 2022 (arXiv 2201.11903): examples that show the steps before the answer make a large
# model write steps too. Whether that helps *your* model on *your* problems is a measurement:
# the same problems, one scoring rule for both prompts, a paired interval of the difference.

# %%
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Model = Callable[[str], str]
"""model(prompt) -> the text that it writes."""


@dataclass(frozen=True)
class Problem:
    """steps: a worked chain of thought. answer: a number, or "yes" or "no"."""

    question: str
    steps: str
    answer: float | str


# %% [markdown]
# ## The problems (given)
#
# Written by a generator: as many as you like, none of them in any training data, the same for
# the same seed.


# %%
def make_problems(n: int, seed: int) -> list[Problem]:
    """Return n problems, arithmetic and logic in turns."""
    rng = random.Random(seed)
    return [(arithmetic, logic)[i % 2](rng) for i in range(n)]


def arithmetic(rng: random.Random) -> Problem:
    boxes, each, given = rng.randint(3, 60), rng.randint(12, 90), rng.randint(2, 30)
    thing = rng.choice(["pens", "apples", "bolts", "cards"])
    total = boxes * each
    return Problem(
        f"A box holds {each} {thing}. Mia has {boxes} boxes and gives away {given} {thing}. "
        f"How many {thing} are left?",
        f"{boxes} boxes hold {boxes} * {each} = {total} {thing}. {total} - {given} = "
        f"{total - given}.",
        total - given,
    )


def logic(rng: random.Random) -> Problem:
    a, b, c = rng.sample(["Ana", "Bo", "Cem", "Dina", "Eli", "Fay"], 3)
    first, last = (a, c) if rng.random() < 0.5 else (c, a)
    answer = "yes" if first == a else "no"
    facts = [f"{a} is taller than {b}.", f"{b} is taller than {c}."]
    rng.shuffle(facts)
    return Problem(
        f"{' '.join(facts)} Is {first} taller than {last}?",
        f"{a} is taller than {b}, and {b} is taller than {c}, so {a} is taller than {c}.",
        answer,
    )


# %% [markdown]
# ## The prompts
#
# The two differ in the steps and in nothing else.


# %%
def build_prompt(problem: Problem, shots: Sequence[Problem], chain: bool) -> str:
    """Return the shots and the open question, a blank line between two of them:

    Q: <question>
    A: <steps> The answer is <answer>.

    Without the chain, the shots have no steps. The last line is "A:", with the chain
    "A: Let's think step by step.".
    """
    blocks = []
    for shot in shots:
        steps = f"{shot.steps} " if chain else ""
        blocks.append(f"Q: {shot.question}\nA: {steps}The answer is {shot.answer}.")
    opening = "A: Let's think step by step." if chain else "A:"
    return "\n\n".join([*blocks, f"Q: {problem.question}\n{opening}"])


# %% [markdown]
# ## The scoring rule
#
# One rule for both prompts: what stands after the last "the answer is", else the last number or
# the last yes or no of the text. A model that goes on to write another "Q:" is cut there.

# %%
MARK = re.compile(r"the answer is:?", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\w.])[-−]?[$€£]?\d+(?:,\d{3})*(?:\.\d+)?")
YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


def extract_number(text: str) -> float | None:
    """Return the number that the text gives as its answer, or None.

    After the last "the answer is" the first number counts, else the last of the text. Thousands
    have commas (1,234), a minus is "-" or "−", a currency sign or a unit does not matter.
    """
    text = own_answer(text)
    *_, tail = MARK.split(text)
    found = NUMBER.findall(tail)
    if found and tail != text:
        return to_number(found[0])
    found = found or NUMBER.findall(text)
    return to_number(found[-1]) if found else None


def to_number(written: str) -> float:
    return float(re.sub(r"[,$€£]", "", written.replace("−", "-")))


def extract_yes_no(text: str) -> str | None:
    """Return "yes" or "no" by the same rule, whole words in any case, or None."""
    text = own_answer(text)
    *_, tail = MARK.split(text)
    found = YES_NO.findall(tail)
    if found and tail != text:
        return found[0].lower()
    found = found or YES_NO.findall(text)
    return found[-1].lower() if found else None


def own_answer(text: str) -> str:
    """Return the text before a further question that the model made up."""
    return re.split(r"^Q:", text, maxsplit=1, flags=re.MULTILINE)[0]


def is_right(problem: Problem, text: str) -> bool:
    """Exact match; what cannot be parsed is wrong."""
    if isinstance(problem.answer, str):
        return extract_yes_no(text) == problem.answer
    found = extract_number(text)
    return found is not None and abs(found - problem.answer) < 1e-6


# %% [markdown]
# ## The comparison


# %%
@dataclass(frozen=True)
class Comparison:
    """direct, chain: right or wrong for each problem, in order. difference: accuracy with the
    chain minus without. interval: its 95 % bootstrap interval."""

    direct: list[bool]
    chain: list[bool]
    difference: float
    interval: tuple[float, float]


def paired_bootstrap(
    direct: Sequence[bool], chain: Sequence[bool], draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of mean(chain) - mean(direct).

    Problems are resampled, each with both its outcomes: hard problems are hard for both prompts,
    and that part of the noise cancels.
    """
    rng = random.Random(seed)
    gains = [int(c) - int(d) for d, c in zip(direct, chain, strict=True)]
    means = sorted(sum(rng.choices(gains, k=len(gains))) / len(gains) for _ in range(draws))
    return means[round(0.025 * (draws - 1))], means[round(0.975 * (draws - 1))]


def compare(model: Model, problems: Sequence[Problem], shots: Sequence[Problem]) -> Comparison:
    """Ask each problem once with each prompt."""
    direct = [is_right(p, model(build_prompt(p, shots, chain=False))) for p in problems]
    chain = [is_right(p, model(build_prompt(p, shots, chain=True))) for p in problems]
    difference = (sum(chain) - sum(direct)) / len(problems)
    return Comparison(direct, chain, difference, paired_bootstrap(direct, chain))


# %% [markdown]
# ## Try it
#
# A stand-in that is right more often when asked for steps; then, if you like, a real model.


# %%
def stand_in(prompt: str) -> str:
    """Right with the chain on three problems of four, without it on one of four."""
    question = prompt.rpartition("Q: ")[2]
    problem = next(p for p in PROBLEMS if p.question in question)
    luck = random.Random(question.partition("\n")[0]).random()
    right = luck < (0.75 if "step by step" in question else 0.25)
    wrong = "maybe" if isinstance(problem.answer, str) else problem.answer + 10
    return f" The answer is {problem.answer if right else wrong}."


PROBLEMS = make_problems(40, seed=1)

if __name__ == "__main__":
    SHOTS = make_problems(4, seed=2)
    print(build_prompt(PROBLEMS[0], SHOTS[:2], chain=True), "\n")
    print("stand-in:", compare(stand_in, PROBLEMS, SHOTS))

    WITH_MODEL = False  # True: the 135M model tries ten of them, for a minute or two
    if WITH_MODEL:
        from llama_cpp import Llama

        from tutor.base import assets

        llm = Llama(str(assets.path("smollm2-135m")), n_ctx=1024, verbose=False)

        def local(prompt: str) -> str:
            out = llm.create_completion(prompt, max_tokens=80, temperature=0, stop=["\nQ:"])
            return out["choices"][0]["text"]

        print("135M:", compare(local, PROBLEMS[:10], SHOTS))
