# %% [markdown]
# # 有无思维链的比较
#
# Wei 等，2022（arXiv 2201.11903）：示例在答案前写出步骤，大模型就会跟着写步骤。
# 这对*你的*模型、*你的*题目有没有用，要靠测量：同样的题目，两种提示用同一条评分规则，
# 再给出差值的成对区间。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check week4/cot` 批改。

# %%
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Model = Callable[[str], str]
"""model(prompt) -> 模型写出的文字。"""


@dataclass(frozen=True)
class Problem:
    """steps：一条写好的思维链。answer：一个数，或者 "yes"、"no"。"""

    question: str
    steps: str
    answer: float | str


# %% [markdown]
# ## 题目（已给出）
#
# 由生成器出题：要多少有多少，任何训练数据里都没有；种子相同，题目就相同。


# %%
def make_problems(n: int, seed: int) -> list[Problem]:
    """返回 n 道题，算术题和逻辑题交替。"""
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
# ## 提示
#
# 两种提示只在步骤上有差别，其余完全相同。


# %%
def build_prompt(problem: Problem, shots: Sequence[Problem], chain: bool) -> str:
    """返回各个示例和待答的问题，各块之间空一行：

    Q: <question>
    A: <steps> The answer is <answer>.

    不带思维链时，示例没有步骤。最后一行是 "A:"，带思维链时是
    "A: Let's think step by step."。
    """
    raise NotImplementedError("build_prompt：示例（带或不带步骤），然后是问题")


# %% [markdown]
# ## 评分规则
#
# 两种提示用同一条规则：取最后一个 “the answer is” 之后的内容，没有就取全文最后一个数
# （或最后一个 yes 或 no）。模型要是接着又写出一个 “Q:”，就从那里截断。


# %%
def extract_number(text: str) -> float | None:
    """返回文本作为答案给出的那个数，没有则返回 None。

    取最后一个 "the answer is" 之后的第一个数，没有就取全文最后一个数。千分位用逗号（1,234），
    负号是 "-" 或 "−"，货币符号和单位不影响结果。
    """
    raise NotImplementedError("extract_number：最后一个标记之后的数，否则最后一个数")


def extract_yes_no(text: str) -> str | None:
    """按同一条规则返回 "yes" 或 "no"（整词，不分大小写），没有则返回 None。"""
    raise NotImplementedError("extract_yes_no：同一条规则，按整词")


def is_right(problem: Problem, text: str) -> bool:
    """精确匹配；解析不了的算错。"""
    raise NotImplementedError("is_right：抽取并比较")


# %% [markdown]
# ## 比较


# %%
@dataclass(frozen=True)
class Comparison:
    """direct、chain：每道题的对错，按题目次序。difference：带思维链的准确率减去不带的。
    interval：该差值的 95 % 自助法区间。"""

    direct: list[bool]
    chain: list[bool]
    difference: float
    interval: tuple[float, float]


def paired_bootstrap(
    direct: Sequence[bool], chain: Sequence[bool], draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """返回 mean(chain) - mean(direct) 的 95 % 区间。

    重采样的是题目，每道题带着它的两个结果：难题对两种提示都难，这部分噪声就抵消了。
    """
    raise NotImplementedError("paired_bootstrap：对差值重采样")


def compare(model: Model, problems: Sequence[Problem], shots: Sequence[Problem]) -> Comparison:
    """每道题用每种提示各问一次。"""
    raise NotImplementedError("compare：每道题都用两种提示问")


# %% [markdown]
# ## 试一试
#
# 先用一个替身：提示要求写步骤时，它答对得多一些；想试的话，再换真实模型。


# %%
def stand_in(prompt: str) -> str:
    """带思维链时四道题对三道，不带时四道对一道。"""
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

    WITH_MODEL = False  # True：135M 模型试做其中十道，要一两分钟
    if WITH_MODEL:
        from llama_cpp import Llama

        from tutor.base import assets

        llm = Llama(str(assets.path("smollm2-135m")), n_ctx=1024, verbose=False)

        def local(prompt: str) -> str:
            out = llm.create_completion(prompt, max_tokens=80, temperature=0, stop=["\nQ:"])
            return out["choices"][0]["text"]

        print("135M:", compare(local, PROBLEMS[:10], SHOTS))
