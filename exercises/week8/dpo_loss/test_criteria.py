"""Criteria of week8/dpo_loss: equation 7 of arXiv 2305.18290 on known numbers, and trl's
DPOTrainer on the same batch."""

from __future__ import annotations

import copy
import math
from functools import cache

import torch

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

WORDS = [
    "what",
    "is",
    "the",
    "best",
    "answer",
    "to",
    "this",
    "question",
    "a",
    "good",
    "reply",
    "no",
    "bad",
    "yes",
    "maybe",
]
VOCAB = ["<pad>", "<eos>", "<unk>", *WORDS]
PAIRS = [
    {"prompt": "what is the", "chosen": " good reply", "rejected": " bad"},
    {"prompt": "is this a question", "chosen": " yes", "rejected": " no maybe no"},
    {"prompt": "what", "chosen": " the best answer to this", "rejected": " bad bad"},
    {"prompt": "a reply to this", "chosen": " yes maybe", "rejected": " no no"},
]
METRICS = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies")


@cache
def small():
    """A random Llama, and the same moved away a little: reference and policy. Copy to change."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = LlamaConfig(vocab_size=len(VOCAB), hidden_size=32, intermediate_size=64,
                        num_hidden_layers=2, num_attention_heads=2, initializer_range=0.2,
                        bos_token_id=None, eos_token_id=1, pad_token_id=0)  # fmt: skip
    reference = LlamaForCausalLM(shape).eval()
    policy = copy.deepcopy(reference)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return policy, reference


def ids(text):
    return [VOCAB.index(word) for word in text.split()]


def tokenized():
    return [
        {"prompt_ids": ids(p["prompt"]), "chosen_ids": [*ids(p["chosen"]), 1],
         "rejected_ids": [*ids(p["rejected"]), 1]} for p in PAIRS
    ]  # fmt: skip


def batch_of(pairs):
    """Return the grader's own batch."""
    rows = [(p["prompt_ids"], p[k]) for k in ("chosen_ids", "rejected_ids") for p in pairs]
    longest = max(len(a) + len(b) for a, b in rows)
    shape = len(rows), longest
    batch = {name: torch.zeros(shape, dtype=torch.long)
             for name in ("input_ids", "attention_mask", "completion_mask")}  # fmt: skip
    for row, (prompt, response) in enumerate(rows):
        end = len(prompt) + len(response)
        batch["input_ids"][row, :end] = torch.tensor(prompt + response)
        batch["attention_mask"][row, :end] = 1
        batch["completion_mask"][row, len(prompt) : end] = 1
    return batch


def reference_logps(logits, batch):
    """Token by token, in double precision."""
    logps = logits.double().log_softmax(-1)
    total = []
    for row, mask in enumerate(batch["completion_mask"]):
        places = mask.nonzero().flatten().tolist()
        tokens = batch["input_ids"][row]
        total.append(sum(logps[row, at - 1, tokens[at]] for at in places))
    return torch.stack(total)


@torch.no_grad()
def logps_of(model, batch):
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    return reference_logps(output.logits, batch)


def test_batch(submission):
    for pairs in (tokenized(), tokenized()[2:3], tokenized()[1::-1]):
        # 1, the end token, pads here: padding cannot be told by its id.
        got = call("batch", submission.collate, copy.deepcopy(pairs), 1)
        expected = batch_of(pairs)
        expected["input_ids"] = expected["input_ids"].masked_fill(
            expected["attention_mask"] == 0, 1
        )
        for name, values in expected.items():
            assert name in got, say(f"the batch has no {name}", f"批次中没有 {name}")
            mine = torch.as_tensor(got[name])
            assert mine.shape == values.shape, say(
                f"{name} of {len(pairs)} pairs is {tuple(mine.shape)}; it must be "
                f"{tuple(values.shape)}: 2B rows, as long as the longest",
                f"{len(pairs)} 对数据的 {name} 形状是 {tuple(mine.shape)}；应为 "
                f"{tuple(values.shape)}：2B 行，与最长的一样长",
            )
            row = int((mine != values).any(dim=1).int().argmax())
            assert torch.equal(mine.long(), values), say(
                f"{name} of {len(pairs)} pairs, row {row}: {mine[row].tolist()}; it must be "
                f"{values[row].tolist()}",
                f"{len(pairs)} 对数据的 {name} 第 {row} 行是 {mine[row].tolist()}；应为 "
                f"{values[row].tolist()}",
            )


def test_sequence_logps(submission, figures):
    batch = batch_of(tokenized())
    torch.manual_seed(1)
    long = {"input_ids": torch.randint(0, 50, (2, 300)),
            "completion_mask": (torch.arange(300) >= 20).long().expand(2, 300)}  # fmt: skip
    cases = [
        (small()[0](input_ids=batch["input_ids"]).logits.detach(), batch),
        (torch.randn(2, 300, 50) * 3, long),
        ((torch.randn(2, 300, 50) * 3).bfloat16(), long),
    ]
    for logits, given in cases:
        arguments = logits, given["input_ids"], given["completion_mask"]
        got = torch.as_tensor(call("sequence_logps", submission.sequence_logps, *arguments))
        expected = reference_logps(logits, given)
        assert got.shape == expected.shape, say(
            f"for {len(expected)} rows the result is {tuple(got.shape)}",
            f"{len(expected)} 行得到的结果形状是 {tuple(got.shape)}",
        )
        off = (got.double() - expected).abs() / expected.abs()
        row = int(off.argmax())
        figures["relative_difference"] = off.max().item()
        assert off.max() < 1e-4, say(
            f"row {row} ({logits.dtype}, {int(given['completion_mask'][row].sum())} response "
            f"tokens): {got[row]:.3f}; the sum of their ln p is {expected[row]:.3f}",
            f"第 {row} 行（{logits.dtype}，{int(given['completion_mask'][row].sum())} 个回答 "
            f"token）：得到 {got[row]:.3f}；各 ln p 之和是 {expected[row]:.3f}",
        )


def table():
    """Log-probabilities with small, large and extreme margins, the last one exactly 0: policy and
    reference, (2B,), and lengths."""
    policy = torch.tensor([-42.0, -30.0, -20.0, -57.0, -900.0, -20.0, -33.0, -60.0,
                           -55.0, -31.0, -18.0, -70.0, -20.0, -900.0, -40.0, -33.0])  # fmt: skip
    reference = torch.tensor([-45.0, -32.0, -20.0, -50.0, -20.0, -20.0, -31.0, -61.0,
                              -50.0, -32.0, -20.0, -50.0, -20.0, -20.0, -40.0, -34.0])  # fmt: skip
    return policy, reference, torch.tensor([9, 4, 4, 11, 90, 5, 7, 12, 12, 4, 3, 15, 5, 90, 8, 6])


def ratios():
    policy, reference, _ = table()
    return (policy - reference).double().chunk(2)


def compare(criterion, submission, beta, loss_type, smoothing, expected):
    policy, reference, lengths = table()
    arguments = policy, reference, beta, loss_type, smoothing, lengths
    got = torch.as_tensor(call(criterion, submission.dpo_loss, *arguments)).flatten()
    assert got.shape == expected.shape, say(
        f"{loss_type}: {tuple(got.shape)} losses for {len(expected)} pairs; one for each",
        f"{loss_type}：{len(expected)} 对得到的损失形状是 {tuple(got.shape)}；应每对一个",
    )
    chosen, rejected = ratios()
    for pair, (mine, wanted) in enumerate(zip(got.tolist(), expected.tolist(), strict=True)):
        assert math.isclose(mine, wanted, rel_tol=1e-4, abs_tol=1e-6), say(
            f"{loss_type}, beta {beta}, log-ratios {chosen[pair]:g} and {rejected[pair]:g}: the "
            f"loss is {mine:.4f}; it must be {wanted:.4f}",
            f"{loss_type}，beta {beta}，对数比值 {chosen[pair]:g} 和 {rejected[pair]:g}：损失是 "
            f"{mine:.4f}；应为 {wanted:.4f}",
        )


def softplus(margin):
    """-ln sigmoid(-margin), exact for any margin."""
    return torch.nn.functional.softplus(margin)


def test_loss(submission):
    chosen, rejected = ratios()
    for beta in (0.1, 0.5, 2.0):
        expected = softplus(-beta * (chosen - rejected))
        compare("loss", submission, beta, "sigmoid", 0.0, expected)


def test_variants(submission):
    chosen, rejected = ratios()
    for beta, e in ((0.1, 0.1), (0.5, 0.25), (0.5, 0.0)):
        margin = beta * (chosen - rejected)
        robust = ((1 - e) * softplus(-margin) - e * softplus(margin)) / (1 - 2 * e)
        compare("variants", submission, beta, "robust", e, robust)
    a, b = table()[2].chunk(2)
    for beta in (0.1, 1.0):
        ipo = (chosen / a - rejected / b - 1 / (2 * beta)) ** 2
        compare("variants", submission, beta, "ipo", 0.0, ipo)


def check_metrics(got, expected, what_en, what_zh, tolerance=1e-4):
    for name in METRICS:
        assert name in got, say(f"the metrics lack {name}", f"指标中缺少 {name}")
        value, wanted = float(got[name]), expected[name]
        assert math.isclose(value, wanted, rel_tol=tolerance, abs_tol=1e-5), say(
            f"{what_en}: {name} is {value:.4f}; it must be {wanted:.4f}",
            f"{what_zh}：{name} 是 {value:.4f}；应为 {wanted:.4f}",
        )


def test_rewards(submission, figures):
    policy, reference, _ = table()
    for beta in (0.1, 0.5):
        chosen, rejected = (beta * ratio for ratio in ratios())
        got = call("rewards", submission.reward_metrics, policy, reference, beta)
        right = (chosen - rejected > 0).double().mean().item()
        means = chosen.mean().item(), rejected.mean().item(), (chosen - rejected).mean().item()
        expected = dict(zip(METRICS, (*means, right), strict=True))
        figures["accuracy"] = right
        what = f"{len(chosen)} pairs, beta {beta}", f"{len(chosen)} 对，beta {beta}"
        check_metrics(got, expected, *what)


def test_gradient(submission, figures):
    """Against the formula below equation 7, and against finite differences."""
    policy, reference, _ = (t.double() for t in table())
    keep = torch.tensor([0, 1, 2, 3, 6])  # moderate margins
    pick = torch.cat([keep, keep + len(policy) // 2])
    policy, reference = policy[pick].requires_grad_(), reference[pick]
    beta, n = 0.1, len(keep)
    loss = call("gradient", submission.dpo_loss, policy, reference, beta)
    assert isinstance(loss, torch.Tensor) and loss.requires_grad, say(
        "the loss has no gradient: it is detached, or no tensor",
        "损失没有梯度：被 detach 了，或者不是张量",
    )
    (gradient,) = torch.autograd.grad(loss.sum(), policy)
    chosen, rejected = (policy - reference).detach().chunk(2)
    weight = beta * torch.sigmoid(-beta * (chosen - rejected))
    for pair in range(n):
        mine = gradient[pair].item(), gradient[n + pair].item()
        wanted = -weight[pair].item(), weight[pair].item()
        figures |= {"gradient_chosen": mine[0], "gradient_rejected": mine[1]}
        assert all(math.isclose(m, w, rel_tol=1e-4) for m, w in zip(mine, wanted, strict=True)), (
            say(
                f"log-ratios {chosen[pair]:g} and {rejected[pair]:g}: the gradient is {mine[0]:.5f} at "
                f"chosen and {mine[1]:.5f} at rejected; it must be {wanted[0]:.5f} and {wanted[1]:.5f}",
                f"对数比值 {chosen[pair]:g} 和 {rejected[pair]:g}：chosen 处的梯度是 {mine[0]:.5f}，"
                f"rejected 处是 {mine[1]:.5f}；应为 {wanted[0]:.5f} 和 {wanted[1]:.5f}",
            )
        )
    check_finite_difference(submission, policy.detach(), reference, beta, gradient)


def check_finite_difference(submission, policy, reference, beta, gradient):
    """A little more on one log-probability moves the loss by as much as the gradient says."""
    for at in (0, len(policy) - 1):
        nudge = torch.zeros_like(policy)
        nudge[at] = 1e-3
        up, down = (submission.dpo_loss(policy + s * nudge, reference, beta).sum().item()
                    for s in (1, -1))  # fmt: skip
        slope = (up - down) / 2e-3
        assert math.isclose(slope, gradient[at].item(), rel_tol=1e-3, abs_tol=1e-6), say(
            f"a nudge on log-probability {at} moves the loss by {slope:.5f} a nat, the gradient "
            f"says {gradient[at]:.5f}",
            f"把第 {at} 个对数概率稍稍挪动，损失每 nat 变化 {slope:.5f}，梯度却是 {gradient[at]:.5f}",
        )


def step(submission, criterion, model, reference, batch, *arguments):
    loss, metrics = call(criterion, submission.dpo_step, model, reference, batch, *arguments)
    assert isinstance(loss, torch.Tensor) and loss.numel() == 1, say(
        f"dpo_step's loss is {type(loss).__name__} {tuple(getattr(loss, 'shape', ()))}, not one "
        "number as a tensor",
        f"dpo_step 的损失是 {type(loss).__name__} {tuple(getattr(loss, 'shape', ()))}，"
        "应是含一个数的张量",
    )
    return loss, metrics


def test_reference_frozen(submission, figures):
    batch = batch_of(tokenized())
    model, reference = copy.deepcopy(small()[1]), copy.deepcopy(small()[1])
    loss, _ = step(submission, "reference_frozen", model, reference, batch, 0.3)
    figures["first_loss"] = loss.item()
    assert math.isclose(loss.item(), math.log(2), rel_tol=1e-4), say(
        f"where policy and reference are the same the loss is {loss.item():.4f}; every margin is "
        "0 then, and the loss ln 2 = 0.6931",
        f"策略与参考相同时，损失是 {loss.item():.4f}；此时各对的 margin 为 0，损失应为 ln 2 = 0.6931",
    )
    loss.backward()
    reached = [n for n, p in reference.named_parameters() if p.grad is not None]
    assert not reached, say(
        f"backward() computed gradients for {len(reached)} tensors of the reference, "
        f"{reached[:1]} first",
        f"backward() 为参考模型的 {len(reached)} 个张量计算了梯度，首个是 {reached[:1]}",
    )
    moved = [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]
    assert moved, say("no gradient reaches the policy", "梯度没有传到策略模型")
    assert lab.fingerprint(model.state_dict()) == lab.fingerprint(reference.state_dict()), say(
        "dpo_step changed weights: the optimizer's step is the caller's",
        "dpo_step 改动了权重：优化器的更新由调用者来做",
    )


@cache
def trl_dataset():
    """PAIRS for trl, and a tokenizer of whole words."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate(VOCAB)}
    words = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    return Dataset.from_list(PAIRS), tokenizer


def by_trl(folder, beta, loss_type, smoothing):
    """Return DPOTrainer's loss and metrics of one batch, and that batch."""
    from trl import DPOConfig, DPOTrainer

    dataset, tokenizer = trl_dataset()
    policy, reference = (copy.deepcopy(model) for model in small())
    arguments = DPOConfig(
        output_dir=str(folder), beta=beta, loss_type=[loss_type], label_smoothing=smoothing,
        per_device_train_batch_size=len(PAIRS), use_cpu=True, bf16=False, disable_tqdm=True,
        gradient_checkpointing=False, report_to="none",
    )  # fmt: skip
    trainer = DPOTrainer(model=policy, ref_model=reference, args=arguments, train_dataset=dataset,
                         processing_class=tokenizer)  # fmt: skip
    trainer.model.eval()
    batch = next(iter(trainer.get_train_dataloader()))
    loss = trainer.compute_loss(trainer.model, dict(batch)).item()
    return loss, {name: trainer._metrics["eval"][name][-1] for name in METRICS}, dict(batch)


def test_equals_trl(submission, figures, tmp_path):
    policy, reference = small()
    call("equals_trl", submission.dpo_step, policy, reference, batch_of(tokenized()), 0.1)
    for beta, loss_type, smoothing in ((0.1, "sigmoid", 0.0), (0.5, "robust", 0.1),
                                       (0.3, "ipo", 0.0)):  # fmt: skip
        wanted, metrics, batch = by_trl(tmp_path, beta, loss_type, smoothing)
        given = beta, loss_type, smoothing
        loss, mine = step(submission, "equals_trl", policy, reference, batch, *given)
        figures[loss_type] = loss.item()
        assert math.isclose(loss.item(), wanted, rel_tol=1e-4), say(
            f"{loss_type}, beta {beta}: the loss is {loss.item():.5f}, DPOTrainer's {wanted:.5f}",
            f"{loss_type}，beta {beta}：损失是 {loss.item():.5f}，DPOTrainer 的是 {wanted:.5f}",
        )
        what = f"DPOTrainer's batch, {loss_type}", f"DPOTrainer 的批次，{loss_type}"
        check_metrics(mine, metrics, *what)


def test_learns(submission, figures):
    model, reference = copy.deepcopy(small()[1]).train(), copy.deepcopy(small()[1])
    batch = batch_of(tokenized())
    before = lab.fingerprint(reference.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    for _ in range(25):
        loss, _ = step(submission, "learns", model, reference, batch, 0.3)
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    chosen, rejected = (logps_of(model, batch) - logps_of(reference, batch)).chunk(2)
    figures |= {"chosen": chosen.mean().item(), "rejected": rejected.mean().item()}
    assert chosen.mean() > 0.5 and rejected.mean() < -0.5, say(
        f"after 25 steps the chosen responses lie {chosen.mean():+.2f} nats from the reference, "
        f"the rejected ones {rejected.mean():+.2f}: chosen must rise, rejected fall",
        f"训练 25 步后，chosen 相对参考模型 {chosen.mean():+.2f} nat，rejected "
        f"{rejected.mean():+.2f} nat：chosen 应上升，rejected 应下降",
    )
    assert lab.fingerprint(reference.state_dict()) == before, say(
        "the training changed the reference model", "训练改动了参考模型"
    )
