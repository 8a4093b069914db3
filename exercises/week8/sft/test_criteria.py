"""Criteria of week8/sft: format, noise and labels, and what both trainings left, measured again."""

from __future__ import annotations

import json
import math
from functools import cache

import torch

from exercises import lab
from exercises.gap import call
from exercises.week5 import proof
from exercises.week8 import aligned, alpaca_data
from tutor.base.i18n import say

IGNORED = -100
COUNT = 24
"""Held-out rows that are measured, as the task says."""
LEAST_GAIN = lab.bound("least_gain", 0.5)
"""Nats a token; the solution gains 0.78 on the clean rows, 0.72 on the noisy ones."""
AGREE = 0.05
"""Between the learner's loss and the grader's: the same rows, other batches."""
TASK = "The response does the task and nothing else."
ODD = {"instruction": "Say {input}, literally.", "input": "秩 {r}\nis 8", "output": "{input}\n\n秩"}
BARE = {"instruction": "Name a prime above 10.", "input": "", "output": "11."}


def held_out():
    return alpaca_data.rows()[1][:COUNT]


def framed(row):
    """The grader's own frame."""
    with_input = bool(row["input"])
    first = "A task, and what it is about." if with_input else "A task."
    middle = f"### Input:\n{row['input']}\n\n" if with_input else ""
    return f"{first} {TASK}\n\n### Instruction:\n{row['instruction']}\n\n{middle}### Response:\n"


def test_alpaca_format(submission):
    for row in (*held_out()[:2], ODD, BARE):
        got = call("alpaca_format", submission.format_row, dict(row))
        wanted = {"prompt": framed(row), "completion": row["output"]}
        for name, text in wanted.items():
            assert str(got.get(name)).strip() == text.strip(), say(
                f"the {name} of {row['instruction'][:40]!r} ends in {str(got.get(name))[-70:]!r}, "
                f"not in {text[-70:]!r}",
                f"{row['instruction'][:40]!r} 的 {name} 结尾是 {str(got.get(name))[-70:]!r}，"
                f"应为 {text[-70:]!r}",
            )


def kinds_of_change(rows, noisy):
    """Return (unchanged, cut, passed, other): how many outputs are which."""
    counts = [0, 0, 0, 0]
    outputs = {row["output"] for row in rows}
    for row, new in zip(rows, noisy, strict=True):
        words, said = row["output"].split(), new["output"]
        if said == row["output"]:
            counts[0] += 1
        elif said.split() == words[: len(words) // 2]:
            counts[1] += 1
        else:
            counts[2 if said in outputs else 3] += 1
    return tuple(counts)


def test_noise(submission):
    rows = [
        {"instruction": f"Question {n}?", "input": "", "output": f"Answer {n} has several words."}
        for n in range(41)
    ]
    was = json.dumps(rows)
    for share, seed in ((0.5, 0), (0.25, 7), (0.1, 1), (1.0, 2)):
        noisy = call("noise", submission.make_noisy, rows, share, seed)
        assert json.dumps(rows) == was, say(
            "make_noisy changes the rows that it is given: the clean set is spoiled too",
            "make_noisy 改动了传入的数据：干净的那组也被弄脏了",
        )
        count = round(share * len(rows))
        wanted = (len(rows) - count, count // 2, count - count // 2, 0)
        same = [(r["instruction"], r["input"]) for r in rows]
        assert (
            len(noisy) == len(rows) and [(r["instruction"], r["input"]) for r in noisy] == same
        ), say(
            f"{len(rows)} rows become {len(noisy)}, or instructions change: only outputs may",
            f"{len(rows)} 行变成了 {len(noisy)} 行，或指令有改动：只能改 output",
        )
        got = kinds_of_change(rows, noisy)
        assert got == wanted, say(
            f"share {share} of {len(rows)} rows, seed {seed}: (unchanged, cut in half, another's, "
            f"else) are {got}, not {wanted}",
            f"{len(rows)} 行、比例 {share}、种子 {seed}：（未变、截半、换成别人的、其他）是 {got}，"
            f"应为 {wanted}",
        )
    one, two, other = (
        [r["output"] for r in submission.make_noisy(rows, 0.5, seed)] for seed in (3, 3, 4)
    )
    assert one == two and one != other, say(
        "the same seed gives other noise on a second call, or every seed the same",
        "同一个种子第二次给出了不同的噪声，或者所有种子的噪声都相同",
    )


@cache
def built(build_trainer, count, name, folder):
    """build_trainer's trainer over so many rows, and its adapter as it was at first."""
    rows = [*held_out()[:2], ODD, BARE] * count
    trainer = build_trainer(lab.load_base()[0], proof.base_tokenizer(), rows[: max(count, 4)], name)
    return trainer, proof.fresh_weights(trainer.model)


def build(submission, criterion, monkeypatch, tmp_path_factory, count=4, name="clean"):
    folder = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("TUTOR_RUN_DIR", str(folder))  # a Trainer makes its folder
    return call(criterion, built, submission.build_trainer, count, name, folder)


def test_completion_only(submission, monkeypatch, tmp_path_factory):
    trainer, _ = build(submission, "completion_only", monkeypatch, tmp_path_factory)
    batch = trainer.data_collator([dict(trainer.train_dataset[n]) for n in range(4)])
    tokenizer = proof.base_tokenizer()
    for row, ids, labels in zip(
        [*held_out()[:2], ODD, BARE], batch["input_ids"], batch["labels"], strict=True
    ):
        learned = tokenizer.decode(labels[labels != IGNORED])
        wanted = row["output"] + tokenizer.eos_token
        assert learned.strip() == wanted, say(
            f"the tokens in the loss say {learned[:90]!r}; they should be the completion and its "
            f"end, {wanted[:90]!r}",
            f"计入损失的 token 是 {learned[:90]!r}；应当只是回答及其结束标记 {wanted[:90]!r}",
        )
        seen = tokenizer.decode(ids)
        assert row["instruction"] in seen, say(
            f"the model does not read the instruction {row['instruction'][:60]!r} in front",
            f"模型在回答之前没有读到指令 {row['instruction'][:60]!r}",
        )


def test_only_adapter_trains(submission, figures, monkeypatch, tmp_path_factory):
    trainer, _ = build(submission, "only_adapter_trains", monkeypatch, tmp_path_factory)
    aligned.check_only_lora(trainer.model, figures)


def budget(trainer):
    """(optimizer steps, rows a step) as the Trainer will count them."""
    args = trainer.args
    rows = args.per_device_train_batch_size * args.gradient_accumulation_steps
    epoch = math.ceil(len(trainer.train_dataset) / rows)
    steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * epoch)
    return steps, rows


def test_same_budget(submission, figures, monkeypatch, tmp_path_factory):
    both = {}
    for name, count in (("clean", submission.CLEAN), ("noisy", submission.NOISY)):
        trainer, _ = build(
            submission, "same_budget", monkeypatch, tmp_path_factory, count=count, name=name
        )
        both[name] = budget(trainer)
    figures |= {"clean_steps": both["clean"][0], "noisy_steps": both["noisy"][0]}
    assert submission.CLEAN < submission.NOISY, say(
        f"{submission.CLEAN} clean rows and {submission.NOISY} noisy ones: the noisy set is to be "
        "the larger one",
        f"干净数据 {submission.CLEAN} 行，脏数据 {submission.NOISY} 行：脏数据应当更多",
    )
    assert both["clean"] == both["noisy"], say(
        f"(steps, rows a step) are {both['clean']} for the {submission.CLEAN} clean rows and "
        f"{both['noisy']} for the {submission.NOISY} noisy ones: then more data also means more "
        "training",
        f"（步数，每步行数）：干净的 {submission.CLEAN} 行是 {both['clean']}，脏的 "
        f"{submission.NOISY} 行是 {both['noisy']}：这样数据多的一方也训练得更多",
    )


def loss_of(model, rows):
    """Nats a token over the completions and their ends, by the grader."""
    model.eval()
    tokenizer = proof.base_tokenizer()
    total, tokens = 0.0, 0
    for row in rows:
        given = tokenizer(framed(row), add_special_tokens=False)["input_ids"]
        said = tokenizer(row["output"] + tokenizer.eos_token, add_special_tokens=False)
        ids = torch.tensor([given + said["input_ids"]], device=model.device)
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, len(given) - 1 : -1].float()
        log_p = logits.log_softmax(-1).gather(1, ids[0, len(given) :, None])
        total -= log_p.sum().item()
        tokens += len(log_p)
    return total / tokens


def test_measure(submission):
    rows = [*held_out()[:3], ODD, BARE]
    for seed in (1, 2):
        got = call(
            "measure",
            submission.held_out_loss,
            aligned.tiny_peft(seed).train(),
            proof.base_tokenizer(),
            rows,
        )
        wanted = loss_of(aligned.tiny_peft(seed), rows)
        assert math.isclose(float(got), wanted, rel_tol=3e-3), say(
            f"on five rows and a small random model held_out_loss is {float(got):.4f}; over the "
            f"completions' tokens and ends together it is {wanted:.4f}",
            f"五行数据、一个随机小模型，held_out_loss 为 {float(got):.4f}；对全部回答 token 和"
            f"结束 token 合起来算应为 {wanted:.4f}",
        )


def test_trained(submission, run_dir, figures, monkeypatch, tmp_path_factory):
    saved = {name: proof.adapter_weights(run_dir / name) for name in ("clean", "noisy")}
    _, fresh = build(submission, "trained", monkeypatch, tmp_path_factory)
    for name, weights in saved.items():
        proof.check_same_adapter(weights, fresh, "build_trainer", name)
        proof.check_trained(weights, fresh, figures, "build_trainer", name)
    proof.check_no_full_weights(run_dir)
    equal = sum(torch.equal(t, saved["noisy"][name]) for name, t in saved["clean"].items())
    assert not equal, say(
        f"{equal} of {len(fresh)} tensors are the same in clean and noisy: one training saved twice",
        f"clean 与 noisy 的 {len(fresh)} 个张量中有 {equal} 个相同：同一次训练保存了两遍",
    )


@cache
def measured(run_dir):
    """Held-out losses of the base and of both adapters, computed here."""
    found = {"base": loss_of(lab.load_base()[0], held_out())}
    for name in ("clean", "noisy"):
        found[name] = loss_of(proof.adapted(run_dir / name), held_out())
    return found


def test_held_out_improves(run_dir, figures):
    found = measured(run_dir)
    figures |= found
    assert found["base"] - found["clean"] >= LEAST_GAIN, say(
        f"held-out loss after the clean rows is {found['clean']:.3f}, the base's "
        f"{found['base']:.3f}: the gain must be at least {LEAST_GAIN}",
        f"用干净数据训练后留出集损失为 {found['clean']:.3f}，底座模型为 {found['base']:.3f}："
        f"至少应降低 {LEAST_GAIN}",
    )


def test_compared(run_dir, figures):
    found = measured(run_dir)
    figures["noisy_minus_clean"] = found["noisy"] - found["clean"]
    metrics = json.loads((run_dir / "metrics.json").read_text("utf-8"))
    for name, mine in found.items():
        yours = metrics.get(name)
        assert isinstance(yours, int | float) and abs(yours - mine) <= AGREE, say(
            f"metrics.json says {name} = {yours}; the grader measures {mine:.3f}",
            f"metrics.json 中 {name} = {yours}；评分程序测得 {mine:.3f}",
        )
    lower = min(("clean", "noisy"), key=lambda name: metrics[name])
    assert metrics.get("better") == lower, say(
        f"metrics.json names {metrics.get('better')!r} as better; by its own numbers it is {lower}",
        f"metrics.json 中的 better 是 {metrics.get('better')!r}；按它自己的数字应为 {lower}",
    )
