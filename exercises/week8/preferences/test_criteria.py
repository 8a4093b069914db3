"""Criteria of week8/preferences: small cases by hand, and the simulated judge's rows, on which the
grader counts again."""

from __future__ import annotations

import copy
import json
import math
import random
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from exercises.week8 import judged
from tutor.base.i18n import say

OWN = "judgements.jsonl"
A, B, C = "low rank", "a radio", "低秩"


def row(first, second, choice, prompt="What is LoRA?"):
    return {"prompt": prompt, "first": first, "second": second, "choice": choice, "at": 1.0}


def simulated(seed):
    """Comparisons of the simulated judge, cleaned here."""
    return real(judged.simulate(260, seed=seed))


def real(judgements):
    stripped = [
        j | {name: j[name].strip() for name in ("prompt", "first", "second")} for j in judgements
    ]
    return [
        j for j in stripped
        if j["choice"] != "skip" and j["first"] and j["second"] and j["first"] != j["second"]
    ]  # fmt: skip


def decided(rows):
    return [r for r in rows if r["choice"] in ("first", "second")]


def winner(r):
    return r[r["choice"]] if r["choice"] != "tie" else "tie"


def answers(r):
    return (r["prompt"], frozenset((r["first"], r["second"])))


def wilson(k, n, z=1.96):
    """The roots of (p - k/n)² = z² p (1 - p) / n."""
    if n == 0:
        return 0.0, 1.0
    share, square = k / n, z * z / n
    root = math.sqrt(square * (square + 4 * share * (1 - share)))
    return tuple((2 * share + square + sign * root) / (2 * (1 + square)) for sign in (-1, 1))


def near(got, expected, what):
    """what: a pair of texts, English and Chinese. Nothing said is None or nan."""
    silent = got is None or math.isnan(float(got))
    if expected is None:
        assert silent, say(
            f"{what[0]} is {got}; nothing can be said there: None",
            f"{what[1]} 是 {got}；这里无从谈起，应为 None",
        )
        return
    assert not silent and math.isclose(float(got), expected, abs_tol=1e-3), say(
        f"{what[0]} is {got if silent else round(float(got), 4)}; it must be {expected:.4f}",
        f"{what[1]} 是 {got if silent else round(float(got), 4)}；应为 {expected:.4f}",
    )


def written(lines, folder):
    path = folder / "raw.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_load(run, tmp_path):
    rows = judged.simulate(40, seed=5)
    lines = [json.dumps(r, ensure_ascii=False) for r in rows]
    got = list(run("load", written([*lines[:20], "", *lines[20:], "  "], tmp_path)))
    assert got == rows, say(
        f"of a file with 40 judgements and 2 blank lines, load returned {len(got)} rows, "
        f"{sum(g in rows for g in got)} of them as they stand in the file",
        f"文件有 40 条评判和 2 个空行，load 返回 {len(got)} 行，其中 "
        f"{sum(g in rows for g in got)} 行与文件一致",
    )
    for what, line in {
        "{oops": "{oops",
        'choice "third"': json.dumps(row(A, B, "third")),
        "no second answer": json.dumps({"prompt": "p", "first": A, "choice": "first"}),
        "a number": "7",
        "an answer that is no text": json.dumps(row(A, None, "first")),
    }.items():
        try:
            got = run("load", written([*lines[:16], line, *lines[16:]], tmp_path))
        except ValueError as error:
            # json's own error names a line too: the first, of the one that it was given.
            assert re.search(r"\b17\b", str(error)), say(
                f"line 17 is bad ({what}), and the error does not say which line: {error}",
                f"第 17 行有误（{what}），但报错没有说明是哪一行：{error}",
            )
        else:
            pytest.fail(say(
                f"line 17 is bad ({what}), and load returned {len(got)} rows without a ValueError",
                f"第 17 行有误（{what}），load 却返回了 {len(got)} 行，没有抛出 ValueError",
            ))  # fmt: skip


def test_comparisons(run):
    for seed in (11, 12):
        rows = judged.simulate(260, seed=seed)
        before = copy.deepcopy(rows)
        got, expected = list(run("comparisons", rows)), real(rows)
        assert rows == before, say(
            "comparisons changed its argument", "comparisons 改动了传入的数据"
        )
        names = ("prompt", "first", "second", "choice")
        mine = [tuple(g[n] for n in names) for g in got]
        wanted = [tuple(e[n] for n in names) for e in expected]
        extra, lost = Counter(mine) - Counter(wanted), Counter(wanted) - Counter(mine)
        shown = next(iter(extra or lost), ("", "", "", ""))
        assert mine == wanted, say(
            f"{len(got)} of 260 rows kept, {len(wanted)} compare two real answers: "
            f"{extra.total()} too many or not stripped, {lost.total()} missing, in order "
            f"otherwise; for example {shown[3]!r} between {shown[1][:40]!r} and {shown[2][:40]!r}",
            f"260 行中保留了 {len(got)} 行，真正比较两个回答的有 {len(wanted)} 行："
            f"多出或未去空白 {extra.total()} 行，缺少 {lost.total()} 行（其余须保持原顺序）；"
            f"例如 {shown[1][:40]!r} 与 {shown[2][:40]!r} 之间选了 {shown[3]!r}",
        )


def conversation(prompt, chosen, rejected):
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def told(pair):
    """A pair in a few words, whatever a submission returned."""
    return json.dumps(pair, ensure_ascii=False, default=str)[:160]


def listing(rows):
    """The comparisons in a line."""
    if len(rows) > 8:
        return say(f"{len(rows)} comparisons", f"{len(rows)} 次比较")
    return "; ".join(f"{r['first']} | {r['second']} → {r['choice']}" for r in rows)


def same_pairs(got, expected, rows):
    """rows: what the pairs were made from."""
    got = list(got)
    assert len(got) == len(expected), say(
        f"[{listing(rows)}] gives {len(got)} pairs; it must give {len(expected)}",
        f"[{listing(rows)}] 得到 {len(got)} 对；应为 {len(expected)} 对",
    )
    for place, (mine, wanted) in enumerate(zip(got, expected, strict=True)):
        assert mine == wanted, say(
            f"[{listing(rows)}]: pair {place} is {told(mine)}; it must be {told(wanted)}",
            f"[{listing(rows)}]：第 {place} 对是 {told(mine)}；应为 {told(wanted)}",
        )


def test_pairs(run):
    """Judged once each: the right answer on the right side, in trl's own format."""
    rows = [row(A, B, "first"), row(A, C, "tie"), row(B, C, "second", "什么是 LoRA？"),
            row(C, A, "second", "LoRA?")]  # fmt: skip
    before = copy.deepcopy(rows)
    got = list(run("to_pairs", rows))
    assert rows == before, say("to_pairs changed its argument", "to_pairs 改动了传入的数据")
    same_pairs(got, [conversation("What is LoRA?", A, B), conversation("什么是 LoRA？", C, B),
                     conversation("LoRA?", A, C)], rows)  # fmt: skip
    from datasets import Dataset
    from trl.data_utils import is_conversational, maybe_extract_prompt

    for one in Dataset.from_list(got):
        assert is_conversational(one) and maybe_extract_prompt(one) == one, say(
            f"trl does not take {told(one)} as a conversation with a prompt",
            f"trl 不认为 {told(one)} 是带提示的对话格式",
        )


def test_repeats(run):
    """Judged again: once where it agrees, nowhere where it does not."""
    ab, ac = conversation("What is LoRA?", A, B), conversation("What is LoRA?", A, C)
    again = row(A, B, "first")
    for rows, expected in (
        ([again, row(B, C, "first", "LoRA?"), row(B, A, "second"), again],
         [ab, conversation("LoRA?", B, C)]),
        ([again, row(A, C, "first"), row(A, B, "second"), again], [ac]),
        ([again, row(B, A, "first")], []),
        ([row(B, A, "tie"), row(A, C, "tie"), again], [ab]),
    ):  # fmt: skip
        same_pairs(run("to_pairs", copy.deepcopy(rows)), expected, rows)
    rows = simulated(21)
    votes: dict = {}
    for r in decided(rows):
        votes.setdefault(answers(r), []).append(r)
    expected = [
        conversation(r["prompt"], winner(r), r["second" if r["choice"] == "first" else "first"])
        for r, *more in votes.values()
        if all(winner(m) == winner(r) for m in more)
    ]
    same_pairs(run("to_pairs", rows), expected, rows)


def prompt_of(pair):
    return " ".join(pair["prompt"][0]["content"].split()).casefold()


def test_split(run):
    rows = decided(simulated(31))
    pairs = [conversation(r["prompt"], f"{n}", "x") for n, r in enumerate(rows)]
    prompts = {prompt_of(p) for p in pairs}
    seen = set()
    for share, seed in ((0.2, 0), (0.5, 1), (0.01, 2), (0.2, 3), (0.2, 4)):
        train, held_out = (list(part) for part in run("split", copy.deepcopy(pairs), share, seed))
        both = {prompt_of(p) for p in train} & {prompt_of(p) for p in held_out}
        assert not both, say(
            f"{len(both)} prompts stand on both sides, however they are typed: {sorted(both)[0][:50]!r}",
            f"有 {len(both)} 条提示（不论怎么输入）同时出现在两边：{sorted(both)[0][:50]!r}",
        )
        places = [[int(p["chosen"][0]["content"]) for p in part] for part in (train, held_out)]
        assert sorted(places[0] + places[1]) == list(range(len(pairs))), say(
            f"{len(pairs)} pairs went in, {len(train)} + {len(held_out)} came out",
            f"放入 {len(pairs)} 对，得到 {len(train)} + {len(held_out)} 对",
        )
        assert all(part == sorted(part) for part in places), say(
            "the pairs of a part are not in their order", "各部分内的数据没有保持原顺序"
        )
        out, wanted = len({prompt_of(p) for p in held_out}), max(1, round(share * len(prompts)))
        assert out == wanted, say(
            f"share {share} of {len(prompts)} prompts: {out} held out, not {wanted}",
            f"共 {len(prompts)} 条提示、比例 {share}：留出了 {out} 条，应为 {wanted} 条",
        )
        random.seed(seed + 77)
        again = [list(part) for part in run("split", copy.deepcopy(pairs), share, seed)]
        assert again == [train, held_out], say(
            f"seed {seed} twice gives two different splits", f"同一个种子 {seed} 两次的划分不同"
        )
        if share == 0.2:
            seen.add(tuple(places[1]))
    assert len(seen) > 1, say(
        "seeds 0, 3 and 4 hold the same prompts out", "种子 0、3、4 留出的提示完全相同"
    )


def same_share(got, k, n, who):
    """who: a pair of texts, for whose share it is."""
    assert (got["k"], got["n"]) == (k, n), say(
        f"{who[0]}: {got['k']} of {got['n']}, it must be {k} of {n}",
        f"{who[1]}：{got['n']} 次中 {got['k']} 次，应为 {n} 次中 {k} 次",
    )
    low, high = wilson(k, n)
    near(got["share"], k / n if n else None, (f"{who[0]}: share", f"{who[1]}：share"))
    near(got["low"], low, (f"{who[0]}, {k} of {n}: low", f"{who[1]}，{n} 次中 {k} 次：low"))
    near(got["high"], high, (f"{who[0]}, {k} of {n}: high", f"{who[1]}，{n} 次中 {k} 次：high"))


def test_position(run, submission, figures):
    for k, n, z in ((5, 10, 1.96), (0, 8, 1.96), (8, 8, 1.96), (61, 100, 2.576), (0, 0, 1.96)):
        low, high = run("interval", k, n, z)
        expected = wilson(k, n, z)
        near(low, expected[0], (f"interval({k}, {n}, {z}): low", f"interval({k}, {n}, {z}) 的下限"))
        near(
            high, expected[1], (f"interval({k}, {n}, {z}): high", f"interval({k}, {n}, {z}) 的上限")
        )
    who = "the first answer", "第一个回答"
    for seed in (41, 42):
        rows = simulated(seed)
        choices = Counter(r["choice"] for r in rows)
        n = choices["first"] + choices["second"]
        same_share(run("position_bias", rows), choices["first"], n, who)
    same_share(run("position_bias", [row(A, B, "tie")]), 0, 0, who)
    figures.update(own_choices(Path(submission.__file__).with_name(OWN)))


def own_choices(path):
    """Figures of the learner's own choices, where they lie beside the submission: shown with the
    report, counted here, and never graded."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        lines = path.read_text("utf-8").split("\n")
        kept = [json.loads(line) for line in lines if line.strip()]
        mine = decided(real(kept))
        share = sum(r["choice"] == "first" for r in mine) / len(mine) if mine else math.nan
        return {"own_judgements": len(kept), "own_pairs": len(mine), "own_first_share": share}
    return {}


def test_length(run):
    who = "the longer answer", "更长的回答"
    for seed in (51, 52):
        rows = simulated(seed)
        gaps = [(len(r["first"]) - len(r["second"])) * (1 if r["choice"] == "first" else -1)
                for r in decided(rows)]  # fmt: skip
        k, n = sum(gap > 0 for gap in gaps), sum(gap != 0 for gap in gaps)
        same_share(run("length_bias", rows), k, n, who)
    equal = [row("abc", "xyz", "first"), row("ab", "xyz", "first"), row("ab", "xyz", "tie")]
    same_share(run("length_bias", equal), 0, 1, who)


def expected_agreement(rows):
    """Counted as a table of the first judgement against the second."""
    met: dict = {}
    for r in rows:
        met.setdefault(answers(r), []).append(r)
    table: Counter = Counter()
    for one, two in (group[:2] for group in met.values() if len(group) > 1):
        places = {one["first"]: "first", one["second"]: "second", "tie": "tie"}
        table[places[winner(one)], places[winner(two)]] += 1
    if not (n := table.total()):
        return 0, None, None
    labels = ("first", "second", "tie")
    same = sum(table[label, label] for label in labels) / n
    chance = sum(sum(table[a, b] for b in labels) * sum(table[b, a] for b in labels)
                 for a in labels) / n**2  # fmt: skip
    return n, same, (same - chance) / (1 - chance) if chance < 1 else None


CASES = (
    [row(A, B, "first"), row(B, A, "second"), row(A, C, "second"), row(A, C, "first"),
     row(B, C, "tie"), row(C, B, "tie")],
    [row(A, B, "first"), row(B, A, "first"), row(A, C, "second"), row(C, A, "second")],
    [row(A, B, "first"), row(B, A, "second"), row(A, B, "second")],
    [row(A, B, "first"), row(A, C, "first")],
)  # fmt: skip


def test_agreement(run):
    for rows in (*CASES, simulated(61), simulated(62)):
        got, (n, raw, kappa) = run("agreement", copy.deepcopy(rows)), expected_agreement(rows)
        listed = listing(rows)
        assert got["pairs"] == n, say(
            f"[{listed}]: {got['pairs']} pairs judged twice, there are {n}",
            f"[{listed}]：得到 {got['pairs']} 对评判过两次，应为 {n} 对",
        )
        near(got["raw"], raw, (f"[{listed}]: raw", f"[{listed}]：raw"))
        near(got["kappa"], kappa, (f"[{listed}]: kappa", f"[{listed}]：kappa"))
