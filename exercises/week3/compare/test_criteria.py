"""Criteria of week3/compare: measures on ids of the grader's own, strategies by what they draw,
the chart by its pixels."""

from __future__ import annotations

import csv
import math
from functools import cache

import pytest
import torch

from exercises import lab
from exercises.chart import bars
from exercises.gap import call
from tutor.base.i18n import say

VOCAB = 200
TEMPERATURES = (0.4, 0.7, 1.0, 1.5, 2.5)
NAMES = ("greedy", "beam_4", "top_k_50", "top_p_0.9", "temperature_0.7", "temperature_1.5")
COLUMNS = ("strategy", "distinct_1", "distinct_2", "repetition_4", "perplexity")
MIXED = {
    "greedy": {"do_sample": False, "num_beams": 1},
    "drawn": {"do_sample": True, "num_beams": 1, "temperature": 0.6, "top_k": 0, "top_p": 1.0},
}


@cache
def small():
    """A random Llama with a distribution wide enough to tell cuts and temperatures apart."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    shape = LlamaConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=64,
                        num_hidden_layers=1, num_attention_heads=2, initializer_range=0.3,
                        bos_token_id=None, eos_token_id=None, pad_token_id=None)  # fmt: skip
    return LlamaForCausalLM(shape).eval()


def reference_grams(ids, n):
    return [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]


def reference_distinct(ids, n):
    grams = reference_grams(ids, n)
    return len(set(grams)) / len(grams) if grams else 0.0


def reference_repetition(prompt, new, n):
    ids, count = prompt + new, len(new) - n + 1
    grams = reference_grams(ids, n)
    again = sum(grams[i] in grams[:i] for i in range(len(prompt), len(grams)))
    return again / count if count > 0 else 0.0


@torch.no_grad()
def reference_losses(model, prompt, new):
    logits = model(torch.tensor([prompt + new])).logits[0].double().log_softmax(-1)
    at = range(len(prompt) - 1, len(prompt) + len(new) - 1)
    return [-logits[i, token].item() for i, token in zip(at, new, strict=True)]


def close(got, expected, what_en, what_zh):
    got = float(got)
    assert math.isclose(got, expected, rel_tol=1e-3, abs_tol=1e-6), say(
        f"{what_en} is {got:.4f}; it must be {expected:.4f}",
        f"{what_zh} 是 {got:.4f}；应为 {expected:.4f}",
    )


TEXTS = ([7, 8, 7, 8, 7, 8], [5] * 9, [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 1, 2, 4, 1, 2, 3], [4])


def test_distinct_n(submission):
    for ids in TEXTS:
        for n in (1, 2, 3, 4):
            got = call("distinct_n", submission.distinct_n, list(ids), n)
            what = f"distinct-{n} of {ids}", f"{ids} 的 distinct-{n}"
            close(got, reference_distinct(ids, n), *what)


def test_repetition_rate(submission):
    for prompt in ([9], [1, 2, 3, 4], [5, 5, 7, 8]):
        for new in TEXTS:
            for n in (1, 2, 4):
                got = call("repetition_rate", submission.repetition_rate, prompt, list(new), n)
                what = (
                    f"the rate of repeated {n}-grams of {new} after the prompt {prompt}",
                    f"提示 {prompt} 之后 {new} 的重复 {n}-gram 比例",
                )
                close(got, reference_repetition(prompt, new, n), *what)


def test_token_losses(submission):
    for prompt, new in (([3], [9]), ([3, 17, 120], [5, 5, 80, 199]), ([1] * 6, [2, 1, 1])):
        got = call("token_losses", submission.token_losses, small(), prompt, list(new))
        got = torch.as_tensor(got).flatten().tolist()
        assert len(got) == len(new), say(
            f"{len(got)} losses for {len(new)} new tokens after a prompt of {len(prompt)}: one "
            "for each new token, none for the prompt",
            f"提示有 {len(prompt)} 个 token、新生成 {len(new)} 个，却得到 {len(got)} 个损失："
            "每个新 token 一个，提示不计",
        )
        for place, loss in enumerate(reference_losses(small(), prompt, new)):
            close(got[place], loss, f"the loss of new token {place}, id {new[place]},",
                  f"第 {place} 个新 token（id {new[place]}）的损失")  # fmt: skip


def continued(submission, criterion, name, prompt, count, seed, model=None):
    settings = submission.STRATEGIES[name]
    model = model or small()
    got = call(criterion, submission.continuation, model, prompt, settings, count, seed)
    return [int(token) for token in got]


def test_continuation(submission):
    """Only new ids; the same seed, the same ids; and the base's greedy text, made again here."""
    from transformers import GenerationConfig

    settings = MIXED["drawn"]
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(99)
        torch.rand(len(made))  # what was drawn before must not matter
        made.append(call("continuation", submission.continuation, small(), [4, 9, 4], settings,
                         12, seed))  # fmt: skip
    lengths = [len(ids) for ids in made]
    assert lengths == [12] * 3, say(
        f"asked for 12 new ids after a prompt of 3, got {lengths}",
        f"提示有 3 个 id，要求生成 12 个新的，得到 {lengths} 个",
    )
    first, again, other = (list(ids) for ids in made)
    assert first == again, say(
        f"with seed 1 twice, only {sum(map(int.__eq__, first, again))} of 12 ids are the same",
        f"两次都用种子 1，12 个 id 中只有 {sum(map(int.__eq__, first, again))} 个相同",
    )
    assert first != other, say(
        "seeds 1 and 2 give the same 12 ids: the seed does not reach the draw",
        "种子 1 和 2 得到完全相同的 12 个 id：种子没有起作用",
    )
    model, tokenizer = lab.load_base("float32")
    prompt = tokenizer("The capital of France is")["input_ids"]
    config = GenerationConfig(do_sample=False, max_new_tokens=8, pad_token_id=0,
                              eos_token_id=model.generation_config.eos_token_id)  # fmt: skip
    ids = torch.tensor([prompt])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    expected = tokenizer.decode(out[0, len(prompt) :])
    got = tokenizer.decode(continued(submission, "continuation", "greedy", prompt, 8, 1, model))
    assert got == expected, say(
        f"greedy after 'The capital of France is': {got!r}; made again here: {expected!r}",
        f"“The capital of France is” 之后的贪心结果是 {got!r}；评分程序重新生成的是 {expected!r}",
    )


@torch.no_grad()
def step_logits(prompt, new):
    return small()(torch.tensor([prompt + new])).logits[0, len(prompt) - 1 : -1].double()


def draws(submission, name):
    """Return (ids, the logits that they were drawn from) over a few seeds."""
    prompt = [4, 9, 4]
    made = [continued(submission, "strategies", name, prompt, 24, seed) for seed in range(5)]
    logits = torch.cat([step_logits(prompt, new) for new in made])
    return made, torch.tensor([token for new in made for token in new]), logits


def test_strategies(submission, figures):
    """Each strategy by what it draws: its support, and its temperature by maximum likelihood."""
    missing = [name for name in NAMES if name not in submission.STRATEGIES]
    assert not missing, say(
        f"STRATEGIES lacks {', '.join(missing)}", f"STRATEGIES 中缺少 {'、'.join(missing)}"
    )
    for name, beams in (("greedy", 1), ("beam_4", 4)):
        check_search(submission, name, beams)
    for name in NAMES[2:]:
        made, ids, logits = draws(submission, name)
        assert len({tuple(new) for new in made}) > 1, say(
            f"{name} gives the same text for five seeds: nothing is drawn",
            f"{name} 用五个种子得到同一段文本：根本没有抽样",
        )
        ranks = (logits > logits.gather(1, ids[:, None])).sum(-1)  # 0 is the best token
        figures[f"deepest_{name}"] = int(ranks.max()) + 1
        if name in ("top_p_0.9", "temperature_1.5"):
            check_uncut(name, figures[f"deepest_{name}"])
        if name.startswith("temperature"):
            likelihood = {t: (logits / t).log_softmax(-1).gather(1, ids[:, None]).mean().item()
                          for t in TEMPERATURES}  # fmt: skip
            best, wanted = max(likelihood, key=likelihood.get), float(name.split("_")[1])
            assert best == wanted, say(
                f"{name}: what it draws fits a temperature of {best:g} best",
                f"{name}：抽出的结果最符合的温度是 {best:g}",
            )
        if name == "top_p_0.9":
            check_nucleus(logits, ids)
    deepest = figures["deepest_top_k_50"]
    assert 20 < deepest <= 50, say(
        f"top_k_50 draws down to the token of rank {deepest}; it must be no further than 50",
        f"top_k_50 最远抽到第 {deepest} 名；不应超出第 50 名",
    )


def check_uncut(name, deepest):
    assert deepest > 50, say(
        f"{name} never draws beyond rank {deepest} of {VOCAB}: a top-k cut is at work that you "
        "did not ask for",
        f"{name} 在 {VOCAB} 个 token 中从未抽到第 {deepest} 名以后：有一个你没有要求的 top-k 截断在起作用",
    )


def check_search(submission, name, beams):
    from transformers import GenerationConfig

    prompt = torch.tensor([[7, 30, 2]])
    config = GenerationConfig(do_sample=False, num_beams=beams, max_new_tokens=10)
    out = small().generate(prompt, attention_mask=torch.ones_like(prompt), generation_config=config)
    expected = out[0, 3:].tolist()
    for seed in (1, 2):
        got = continued(submission, "strategies", name, [7, 30, 2], 10, seed)
        assert got == expected, say(
            f"{name} with seed {seed} gives {got}; generate with num_beams={beams} and no "
            f"sampling gives {expected}",
            f"{name}（种子 {seed}）得到 {got}；generate 在 num_beams={beams}、不抽样时得到 {expected}",
        )


def check_nucleus(logits, ids):
    p = logits.softmax(-1)
    mine = p.gather(1, ids[:, None])
    outside = int(((p * (p > mine)).sum(-1) >= 0.9 + 1e-6).sum())
    assert not outside, say(
        f"top_p_0.9 drew {outside} of {len(ids)} tokens from outside the nucleus of 0.9",
        f"top_p_0.9 抽到的 {len(ids)} 个 token 中有 {outside} 个不在概率 0.9 的核内",
    )


PROMPTS = [[4, 9, 4], [50, 60, 70, 80]]


def test_compare(submission):
    arguments = small(), PROMPTS, MIXED, 16, [3, 4, 5]
    rows = list(call("compare", submission.compare, *arguments))
    names = [row["strategy"] for row in rows]
    assert names == list(MIXED), say(
        f"for the strategies {list(MIXED)} the rows are of {names}",
        f"策略为 {list(MIXED)}，得到的行却是 {names}",
    )
    for row in rows:
        absent = [name for name in COLUMNS if name not in row]
        assert not absent, say(f"a row lacks {absent}", f"行中缺少 {absent}")
        settings = MIXED[row["strategy"]]
        texts = [(prompt, list(submission.continuation(small(), prompt, settings, 16, seed)))
                 for prompt in PROMPTS for seed in (3, 4, 5)]  # fmt: skip
        losses = [loss for p, new in texts for loss in reference_losses(small(), p, new)]
        expected = {
            "distinct_1": sum(reference_distinct(new, 1) for _, new in texts) / 6,
            "distinct_2": sum(reference_distinct(new, 2) for _, new in texts) / 6,
            "repetition_4": sum(reference_repetition(p, new, 4) for p, new in texts) / 6,
            "perplexity": math.exp(sum(losses) / len(losses)),
        }
        for name, value in expected.items():
            what = f"{name} of {row['strategy']!r}", f"{row['strategy']!r} 的 {name}"
            close(row[name], value, *what)


def rows_of(values, metric="distinct_2"):
    rest = dict.fromkeys(COLUMNS[1:], 0.123456)
    return [{"strategy": f"s {i}, T=1", **rest, metric: x} for i, x in enumerate(values)]


def test_table(submission, tmp_path):
    rows, path = rows_of([0.987654, 0.5, 12.3456]), tmp_path / "table.csv"
    call("table", submission.write_table, rows, path)
    assert path.exists(), say("no file was written", "没有写出文件")
    with path.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    header = list(found[0]) if found else []
    assert header == list(COLUMNS), say(
        f"read back, the header is {header}; it must be {list(COLUMNS)}",
        f"读回的表头是 {header}；应为 {list(COLUMNS)}",
    )
    names = [row["strategy"] for row in found]
    assert names == [row["strategy"] for row in rows], say(
        f"read back, the strategies are {names}", f"读回的策略名是 {names}"
    )
    for row, line in zip(rows, found, strict=True):
        for name in COLUMNS[1:]:
            try:
                value = float(line[name])
            except (TypeError, ValueError):
                pytest.fail(say(f"{name} reads {line[name]!r}", f"{name} 读作 {line[name]!r}"))
            assert math.isclose(value, row[name], rel_tol=1e-3), say(
                f"{name} was {row[name]} and reads {value}: too few digits",
                f"{name} 原为 {row[name]}，读回是 {value}：有效数字太少",
            )


def test_plot(submission, figures, tmp_path):
    for values in ([0.9, 0.3, 0.6], [0.50, 0.52, 0.55, 0.51, 0.58, 0.56], [12.5, 80.0, 33.0, 9.0]):
        path = tmp_path / f"chart{len(values)}.png"
        call("plot", submission.plot, rows_of(values), "distinct_2", path)
        assert path.exists(), say("no image was written", "没有写出图片")
        heights = bars(path)
        figures[f"bars_of_{len(values)}"] = len(heights)
        assert len(heights) == len(values), say(
            f"for {len(values)} rows the image has {len(heights)} separate bars of colour #1f77b4",
            f"{len(values)} 行数据，图中颜色为 #1f77b4 且互相分开的柱子却有 {len(heights)} 根",
        )
        for height, value in zip(heights, values, strict=True):
            wanted = max(heights) * value / max(values)
            assert abs(height - wanted) <= 3 + 0.02 * max(heights), say(
                f"values {values} became bars of {heights} pixels: {value} must be "
                f"{wanted:.0f} high beside the highest. Bars begin at 0",
                f"数值 {values} 画成了高 {heights} 像素的柱子：与最高的相比，{value} 应高 "
                f"{wanted:.0f}。柱子要从 0 开始",
            )
