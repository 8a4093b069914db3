"""Criteria of week2/own_data: what a CSV becomes, looked at from outside."""

from __future__ import annotations

import csv
import random
from collections import Counter

from exercises.gap import call
from tutor.base.i18n import say

PARTS = ("train", "validation", "test")
ODD = [
    ("Comma, here", "bug"),
    ('She said "it works" twice', "praise"),
    ("Two\nlines", "bug"),
    ("  Café 很好！  ", "praise"),
    ("None", " wish "),
    ("0", "bug"),
]


def write(path, rows, encoding="utf-8", names=("id", "text", "label")):
    with path.open("w", encoding=encoding, newline="") as file:
        out = csv.writer(file)
        out.writerow(names)
        out.writerows(rows)
    return path


def tickets(counts, seed=1):
    """Rows with so many of each label, no two texts alike, in a mixed order."""
    rows = [
        {"text": f"Ticket {label} number {n}", "label": label}
        for label, count in counts.items()
        for n in range(count)
    ]
    random.Random(seed).shuffle(rows)
    return rows


def pairs(rows):
    return [(row["text"], row["label"]) for row in rows]


def key(text):
    return "".join(c for c in text.casefold() if c.isalnum())


def read(submission, criterion, path):
    return pairs(call(criterion, submission.read_rows, path))


def parts_of(submission, criterion, rows, **options):
    parts = call(criterion, submission.split, [dict(row) for row in rows], **options)
    absent = [name for name in PARTS if name not in parts]
    assert not absent, say(
        f"{criterion}: split returned no {', '.join(absent)}",
        f"{criterion}：split 的结果缺少 {'、'.join(absent)}",
    )
    return {name: pairs(parts[name]) for name in PARTS}


def test_reads_csv(submission, tmp_path):
    wanted = [(text.strip(), label.strip()) for text, label in ODD]
    for encoding in ("utf-8", "utf-8-sig"):
        rows = [(n, text, label) for n, (text, label) in enumerate(ODD)]
        path = write(tmp_path / f"{encoding}.csv", rows, encoding)
        got = read(submission, "reads_csv", path)
        assert got == wanted, _unlike(got, wanted, encoding)
    swapped = [(label, text) for text, label in ODD]
    path = write(tmp_path / "swapped.csv", swapped, "utf-8-sig", ("label", "text"))
    got = read(submission, "reads_csv", path)
    assert got == wanted, _unlike(got, wanted, "label,text")


def _unlike(got, wanted, how):
    first = next((row for row in wanted if row not in got), None)
    return say(
        f"of {len(wanted)} complete rows ({how}) you read {len(got)}; missing or changed is "
        f"{first!r}",
        f"{len(wanted)} 个完整行（{how}）中你读到 {len(got)} 行；缺少或被改动的是 {first!r}",
    )


def test_drops_incomplete(submission, tmp_path):
    rows = [(1, "good", "praise"), (2, "", "bug"), (3, "no label", ""), (4, "   ", "bug"),
            (5, "also none", " "), (6, "short row"), (), (7, "last", "bug")]  # fmt: skip
    path = write(tmp_path / "holes.csv", rows)
    got = read(submission, "drops_incomplete", path)
    wanted = [("good", "praise"), ("last", "bug")]
    extra = [row for row in got if row not in wanted]
    assert got == wanted, say(
        f"two of the rows are complete, you keep {len(got)}, {extra[:1]} among them",
        f"只有两行是完整的，你保留了 {len(got)} 行，其中有 {extra[:1]}",
    )


def test_one_of_each(submission):
    texts = ["It crashes!", "it crashes", "IT  CRASHES ...", "It crashes 2", "崩溃了。", "崩溃了", "很慢",
             "Straße", "STRASSE"]  # fmt: skip
    rows = [{"text": text, "label": "bug"} for text in texts]
    got = [text for text, _ in pairs(call("one_of_each", submission.clean, rows))]
    wanted = ["It crashes!", "It crashes 2", "崩溃了。", "很慢", "Straße"]
    assert got == wanted, say(
        f"of {texts} you keep {got}, and not {wanted}",
        f"从 {texts} 中你保留了 {got}，应为 {wanted}",
    )


def test_no_contradictions(submission):
    rows = [("Fine", "praise"), ("Slow", "bug"), ("fine!", "bug"), ("Fine", "praise"),
            ("slow", "bug"), ("New", "wish")]  # fmt: skip
    given = [{"text": text, "label": label} for text, label in rows]
    got = sorted(pairs(call("no_contradictions", submission.clean, given)))
    wanted = [("New", "wish"), ("Slow", "bug")]
    assert got == wanted, say(
        f"'Fine' is labelled praise and bug: {wanted} must remain, you keep {got}",
        f"“Fine” 既标了 praise 又标了 bug：应只剩 {wanted}，你保留了 {got}",
    )


def test_sizes(submission, figures):
    rows = tickets({"bug": 120, "praise": 60, "wish": 20})
    for validation, test in ((0.1, 0.1), (0.2, 0.05), (0.05, 0.3)):
        parts = parts_of(submission, "sizes", rows, validation=validation, test=test, seed=3)
        whole = Counter(row for part in parts.values() for row in part)
        lost, twice = Counter(pairs(rows)) - whole, whole - Counter(pairs(rows))
        assert not lost and not twice, say(
            f"of {len(rows)} rows {lost.total()} are in no part, {twice.total()} once too often",
            f"{len(rows)} 行中有 {lost.total()} 行不在任何部分，{twice.total()} 行多出现了",
        )
        for name, share in (("validation", validation), ("test", test)):
            figures[name] = len(parts[name])
            assert abs(len(parts[name]) - share * len(rows)) <= 3, say(
                f"{name} has {len(parts[name])} of {len(rows)} rows; {share:g} is "
                f"{share * len(rows):g}",
                f"{name} 有 {len(parts[name])} 行（共 {len(rows)} 行），"
                f"按 {share:g} 应为 {share * len(rows):g} 行",
            )


def test_stratified(submission):
    counts = {"bug": 150, "praise": 40, "wish": 10}
    rows = tickets(counts)
    for seed in range(5):
        parts = parts_of(submission, "stratified", rows, validation=0.2, test=0.1, seed=seed)
        for name, share in (("validation", 0.2), ("test", 0.1)):
            there = Counter(label for _, label in parts[name])
            for label, count in counts.items():
                assert abs(there[label] - share * count) <= 1, say(
                    f"seed {seed}: {name} has {there[label]} of {count} {label}; "
                    f"{share:g} of them is {share * count:g}",
                    f"种子 {seed}：{name} 中有 {there[label]} 条 {label}（共 {count} 条），"
                    f"按 {share:g} 应为 {share * count:g} 条",
                )


def test_no_leakage(submission, tmp_path, figures):
    rows = []
    for row in tickets({"bug": 60, "praise": 60}):
        rows += [(0, row["text"], row["label"]), (1, row["text"].upper() + "!", row["label"])]
    path = write(tmp_path / "copies.csv", rows)
    data = call("no_leakage", submission.load, path, validation=0.2, test=0.2, seed=5)
    keys = {name: [key(text) for text in data[name]["text"]] for name in PARTS}
    for name, others in (("validation", ("train",)), ("test", ("train", "validation"))):
        seen = {k for other in others for k in keys[other]}
        leaked = [k for k in keys[name] if k in seen]
        figures[f"leaked_{name}"] = len(leaked)
        assert not leaked, say(
            f"{len(leaked)} of {len(keys[name])} texts of {name} are in {' or '.join(others)} too "
            "(in capitals, or with another mark at the end)",
            f"{name} 的 {len(keys[name])} 条文本中，有 {len(leaked)} 条也在 "
            f"{' 或 '.join(others)} 里（只是大写了，或结尾标点不同）",
        )
    total = sum(map(len, keys.values()))
    assert total == 120, say(
        f"120 different texts, each there twice, became {total} rows",
        f"120 条不同的文本各出现两次，最后得到 {total} 行",
    )


def test_reproducible(submission):
    rows = tickets({"bug": 80, "praise": 40})
    first, again, other = (
        parts_of(submission, "reproducible", rows, validation=0.2, test=0.2, seed=seed)
        for seed in (7, 7, 8)
    )
    assert first == again, say(
        "seed 7 gave another split the second time", "种子 7 两次得到的划分不同"
    )
    same = len(set(first["test"]) & set(other["test"]))
    assert set(first["test"]) != set(other["test"]), say(
        f"seeds 7 and 8 hold out the same {same} rows: the seed does nothing",
        f"种子 7 和 8 留出的是同样的 {same} 行：种子没有起作用",
    )


def test_class_labels(submission, tmp_path):
    rows = [(0, row["text"], row["label"]) for row in tickets({"wish": 30, "bug": 40, "praise": 3})]
    path = write(tmp_path / "names.csv", rows)
    data = call("class_labels", submission.load, path, validation=0.1, test=0.1, seed=0)
    truth = {text: label for _, text, label in rows}
    for name in PARTS:
        feature = data[name].features["label"]
        names = getattr(feature, "names", None)
        assert names == ["bug", "praise", "wish"], say(
            f"the label of {name} is {feature}; it must be a ClassLabel of bug, praise, wish",
            f"{name} 的 label 是 {feature}，应为 bug、praise、wish 的 ClassLabel",
        )
        wrong = [
            text
            for text, label in zip(data[name]["text"], data[name]["label"], strict=True)
            if names[label] != truth[text]
        ]
        assert not wrong, say(
            f"in {name} {len(wrong)} labels name another class than the CSV, {wrong[0]!r} first",
            f"{name} 中有 {len(wrong)} 个标签与 CSV 不符，首个是 {wrong[:1]}",
        )
