"""Criteria of deployment/distill: the loss against float64, and both students measured again by
the grader on images that it held out."""

from __future__ import annotations

import copy
import math
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from exercises.gap import call
from tutor.base.i18n import say

IGNORED = -100
KNOWN = 50
# Measured on three splits: labels alone 0.66 to 0.86, taught 0.93 to 0.95.
LEAST_GAIN = 0.05
BASELINE = 0.08
"""How far below the grader's own training on labels alone the learner's may be."""


def logits(seed, rows=9, classes=5, scale=3.0):
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * scale


def unknown(rows):
    return torch.full((rows,), IGNORED)


def expected_loss(student, teacher, labels, temperature, alpha):
    """The loss in float64, row by row, from its definition."""
    p = (teacher.double() / temperature).softmax(-1)
    q = (student.double() / temperature).softmax(-1)
    soft = (p * (p.log() - q.log())).sum(-1).mean().item()
    known = [i for i, label in enumerate(labels.tolist()) if label != IGNORED]
    log_q = student.double().log_softmax(-1)
    hard = -sum(log_q[i, labels[i]].item() for i in known) / max(1, len(known))
    return alpha * temperature**2 * soft + (1 - alpha) * hard


def loss_of(submission, criterion, *arguments):
    got = call(criterion, submission.distillation_loss, *arguments)
    assert isinstance(got, torch.Tensor) and got.numel() == 1, say(
        f"the loss is {type(got).__name__}, not a scalar tensor",
        f"损失是 {type(got).__name__}，而不是标量张量",
    )
    return got.item()


def close(got, expected):
    return math.isclose(got, expected, rel_tol=1e-3, abs_tol=1e-5)


def test_soft_term(submission, figures):
    for seed, classes in ((1, 5), (2, 10)):
        student, teacher = logits(seed, classes=classes), logits(seed + 50, classes=classes)
        got = loss_of(submission, "soft_term", student, teacher, unknown(9), 1.0, 1.0)
        wanted = expected_loss(student, teacher, unknown(9), 1.0, 1.0)
        turned = expected_loss(teacher, student, unknown(9), 1.0, 1.0)
        figures |= {"got": got, "expected": wanted}
        note = (
            say("; that is KL(student || teacher)", "；这是 KL(学生 || 教师)")
            if close(got, turned)
            else ""
        )
        assert close(got, wanted), say(
            f"at T = 1 and alpha = 1, for 9 rows of {classes} classes, the loss is {got:.4f}; "
            f"KL(teacher || student) a row is {wanted:.4f}{note}",
            f"T = 1、alpha = 1，9 行 {classes} 类时，损失是 {got:.4f}；每行的 KL(教师 || 学生) 平均为 "
            f"{wanted:.4f}{note}",
        )  # fmt: skip


def test_temperature(submission, figures):
    for temperature in (2.0, 4.0, 10.0):
        student, teacher = logits(3), logits(4)
        got = loss_of(submission, "temperature", student, teacher, unknown(9), temperature, 1.0)
        wanted = expected_loss(student, teacher, unknown(9), temperature, 1.0)
        figures |= {"got": got, "expected": wanted}
        lacking = close(got * temperature**2, wanted)
        note = say("; the factor T^2 is missing", "；缺少系数 T²") if lacking else ""
        assert close(got, wanted), say(
            f"at T = {temperature:g} and alpha = 1 the loss is {got:.4f}; with both logits "
            f"divided by T, and T^2 in front, it is {wanted:.4f}{note}",
            f"T = {temperature:g}、alpha = 1 时损失是 {got:.4f}；两边 logits 都除以 T，再乘 T²，应为 "
            f"{wanted:.4f}{note}",
        )


def test_hard_term(submission, figures):
    student, teacher = logits(5), logits(6)
    some = torch.tensor([0, IGNORED, 3, IGNORED, IGNORED, 1, IGNORED, IGNORED, 2])
    for labels in (torch.arange(9) % 5, some, unknown(9)):
        got = loss_of(submission, "hard_term", student, teacher, labels, 4.0, 0.0)
        wanted = expected_loss(student, teacher, labels, 4.0, 0.0)
        figures |= {"got": got, "expected": wanted}
        count = int((labels != IGNORED).sum())
        assert close(got, wanted), say(
            f"with alpha = 0, T = 4 and {count} known labels of 9 the loss is {got:.4f}; the "
            f"cross-entropy of those {count} rows at temperature 1 is {wanted:.4f}",
            f"alpha = 0、T = 4，9 行中有 {count} 个已知标签时，损失是 {got:.4f}；这 {count} 行在温度 1 下的"
            f"交叉熵为 {wanted:.4f}",
        )


def test_mixing(submission, figures):
    student, teacher, labels = logits(7), logits(8), torch.arange(9) % 5
    for alpha, temperature in ((0.25, 1.0), (0.7, 4.0)):
        got = loss_of(submission, "mixing", student, teacher, labels, temperature, alpha)
        wanted = expected_loss(student, teacher, labels, temperature, alpha)
        figures |= {"got": got, "expected": wanted}
        soft, hard = (expected_loss(student, teacher, labels, temperature, a) for a in (1, 0))
        assert close(got, wanted), say(
            f"with alpha = {alpha} the loss is {got:.4f}; {alpha} x {soft:.3f} (soft) + "
            f"{1 - alpha} x {hard:.3f} (hard) is {wanted:.4f}",
            f"alpha = {alpha} 时损失是 {got:.4f}；{alpha} × {soft:.3f}（软目标）+ {1 - alpha} × "
            f"{hard:.3f}（标签）= {wanted:.4f}",
        )


def noisy_teacher():
    torch.manual_seed(11)
    return nn.Sequential(
        nn.Linear(64, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.5), nn.Linear(24, 10)
    )


def test_teacher(submission, figures):
    images = torch.rand(40, 64, generator=torch.Generator().manual_seed(0))
    teacher = noisy_teacher().train()
    before = copy.deepcopy(teacher.state_dict())
    got = call("teacher", submission.teacher_logits, teacher, images)
    changed = [n for n, t in teacher.state_dict().items() if not torch.equal(t, before[n])]
    assert not changed, say(
        f"asking the teacher changed {len(changed)} of its tensors, {changed[:1]} first: it was "
        "in training mode",
        f"询问教师改动了它的 {len(changed)} 个张量，首个是 {changed[:1]}：它处在训练模式",
    )
    wanted = noisy_teacher().eval()(images)
    figures["difference"] = (got - wanted).abs().max().item()
    assert figures["difference"] < 1e-4, say(
        f"the logits differ by {figures['difference']:.3g} from the teacher's in evaluation mode",
        f"得到的 logits 与教师在评估模式下的相差 {figures['difference']:.3g}",
    )
    assert not got.requires_grad, say(
        "the teacher's logits carry a graph: its activations stay in memory",
        "教师的 logits 带着计算图：它的激活值会一直占着内存",
    )
    student, target = logits(1).requires_grad_(), logits(2).requires_grad_()
    loss = submission.distillation_loss(student, target, unknown(9), 2.0, 1.0)
    loss.backward()
    assert target.grad is None, say(
        f"the loss sends a gradient of size {0 if target.grad is None else target.grad.norm():.3g} "
        "into the teacher's logits",
        f"损失把大小为 {0 if target.grad is None else target.grad.norm():.3g} 的梯度传给了教师的 logits",
    )


@cache
def data():
    """The grader's own split: (images, labels, student's labels, held-out images and labels)."""
    digits = load_digits()
    order = torch.randperm(len(digits.data), generator=torch.Generator().manual_seed(20))
    images = torch.tensor(digits.data / 16, dtype=torch.float32)[order]
    labels = torch.tensor(digits.target)[order]
    few = labels[:1200].clone()
    few[KNOWN:] = IGNORED
    return images[:1200], labels[:1200], few, images[1200:], labels[1200:]


def student(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def fitted(model, images, labels, steps=300):
    """The grader's own training on labels alone: batches of 32, Adam with 3e-3."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(steps):
        rows = torch.randint(len(images), (32,), generator=generator)
        loss = F.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@cache
def targets():
    """The logits of a teacher that the grader trained on all labels."""
    images, labels, *_ = data()
    torch.manual_seed(1)
    teacher = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    return fitted(teacher, images, labels)(images).detach()


@cache
def labels_alone():
    images, labels, *_ = data()
    return accuracy(fitted(student(), images[:KNOWN], labels[:KNOWN]))


@torch.no_grad()
def accuracy(model):
    *_, images, labels = data()
    return (model.eval()(images).argmax(-1) == labels).float().mean().item()


@cache
def trained(train_student, criterion, alpha, steps=300, seed=0):
    """The learner's training of the grader's student; also the images of each of its batches."""
    images, _, few, *_ = data()
    model, seen = student(), []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    torch.manual_seed(int(alpha * 100) + steps)  # what depends on the global state shows
    returned = call(
        criterion, train_student, model, images, few.clone(), targets(), alpha,
        temperature=4.0, steps=steps, seed=seed,
    )  # fmt: skip
    assert isinstance(returned, nn.Module), say(
        f"train_student returns {type(returned).__name__}, not the student",
        f"train_student 返回的是 {type(returned).__name__}，而不是学生模型",
    )
    return returned, tuple(seen)


def test_same_batches(submission, figures):
    runs = [trained(submission.train_student, "same_batches", a, 12, 5) for a in (0.0, 0.9, 1.0)]
    sizes = [sum(len(batch) for batch in seen) for _, seen in runs]
    figures["images"] = sizes[0]
    assert sizes == [12 * 64] * 3, say(
        f"12 steps showed the student {sizes} images for alpha 0, 0.9 and 1; it is 12 x 64 each",
        f"12 步里学生看到的图像数，alpha 为 0、0.9、1 时分别是 {sizes}；都应为 12 × 64",
    )
    first = torch.cat(runs[0][1])
    known = (first[:, None] == data()[0][:KNOWN]).all(-1).any(-1).float().mean().item()
    figures["known"] = known
    assert 0.4 < known < 0.7, say(
        f"{known:.0%} of the images in the batches have a known label; half are drawn from these, "
        f"half from all 1,200, which makes {0.5 + 0.5 * KNOWN / 1200:.0%}",
        f"批次里有 {known:.0%} 的图像标签已知；一半从这些里抽，一半从全部 1,200 张里抽，应为 "
        f"{0.5 + 0.5 * KNOWN / 1200:.0%}",
    )
    for alpha, (_, seen) in zip((0.9, 1.0), runs[1:], strict=True):
        same = (torch.cat(seen) == first).all(-1).float().mean().item()
        assert same == 1, say(
            f"with alpha = {alpha} only {same:.0%} of the images come in the same order as with "
            "alpha = 0 and the same seed: the comparison would not be fair",
            f"种子相同，alpha = {alpha} 时只有 {same:.0%} 的图像与 alpha = 0 时次序一致：这样比较不公平",
        )
    other = torch.cat(trained(submission.train_student, "same_batches", 0.0, 12, 6)[1])
    assert not torch.equal(other, first), say(
        "seeds 5 and 6 give the same batches: the seed is not used",
        "种子 5 和 6 得到相同的批次：没有用到 seed",
    )


def test_baseline(submission, figures):
    model, _ = trained(submission.train_student, "baseline", 0.0)
    figures |= {"labels_alone": accuracy(model), "grader": labels_alone()}
    assert figures["labels_alone"] >= figures["grader"] - BASELINE, say(
        f"with alpha = 0 the student has {figures['labels_alone']:.3f} right; the grader's, "
        f"trained on the {KNOWN} labels, {figures['grader']:.3f}: a weak baseline is easy to beat",
        f"alpha = 0 时学生的准确率是 {figures['labels_alone']:.3f}；评分程序用这 {KNOWN} 个标签训练的是 "
        f"{figures['grader']:.3f}：基线太弱，赢了也不算数",
    )


def test_gain(submission, figures):
    model, _ = trained(submission.train_student, "gain", 0.9)
    alone = max(labels_alone(), accuracy(trained(submission.train_student, "gain", 0.0)[0]))
    figures |= {"taught": accuracy(model), "labels_alone": alone}
    assert figures["taught"] >= alone + LEAST_GAIN, say(
        f"on {len(data()[4])} held-out images the taught student has {figures['taught']:.3f} right, "
        f"the same student on labels alone {alone:.3f}; the gain must be at least {LEAST_GAIN}",
        f"在 {len(data()[4])} 张留出图像上，蒸馏出的学生准确率 {figures['taught']:.3f}，只用标签的同一学生 "
        f"{alone:.3f}；至少要高出 {LEAST_GAIN}",
    )
