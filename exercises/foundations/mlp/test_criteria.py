"""Criteria of foundations/mlp: each line of a training loop by what it does to the weights."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F

from exercises.gap import call
from tutor.base.i18n import say

torch.set_num_threads(1)  # matrices this small lose by more; and the sums keep their order

ACCURACY = 0.95
LEARNING_RATE = 0.5


def random_data(n=12, inputs=4, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, inputs, generator=generator)
    return x, torch.randint(classes, (n,), generator=generator)


def small_model(inputs=4, classes=3, seed=1):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Linear(5, classes))


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)


def steps_by_hand(model, data, clear=True):
    """Plain gradient descent on a copy; without clear, gradients pile up."""
    model = copy.deepcopy(model)
    gradients = [torch.zeros_like(p) for p in model.parameters()]
    for x, y in data:
        new = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
        gradients = [n if clear else g + n for g, n in zip(gradients, new, strict=True)]
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= LEARNING_RATE * gradient
    return flat(model)


def train_epoch(criterion, submission, model, data):
    return call(criterion, submission.train_epoch, model, list(data), sgd(model))


def digits(standardize):
    """Return the grader's split of the digits in three, scaled by the learner's function."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x, y, test_size=0.3, random_state=4242, stratify=y)
    train_x, test_x, train_y, test_y = map(torch.tensor, parts)
    train_x, test_x = standardize(train_x.float(), test_x.float())
    parts = zip(test_x.float().chunk(2), test_y.chunk(2), strict=True)
    return (train_x.float(), train_y), *parts


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(dim=1) == y).float().mean().item()


def test_scaled_by_training(submission):
    generator = torch.Generator().manual_seed(3)
    train = torch.randn(400, 5, generator=generator) * 2 + 3
    other = torch.randn(100, 5, generator=generator) * 5 - 4
    train[:, 0], other[:, 0] = 7.0, 8.0  # constant in training, another value later
    before = train.clone(), other.clone()
    got = call("scaled_by_training", submission.standardize, train, other)
    assert torch.equal(train, before[0]) and torch.equal(other, before[1]), say(
        "standardize changed the tensors that it was given; return new ones",
        "standardize 改动了传入的张量；应返回新的张量",
    )
    mean, std = before[0].mean(dim=0), before[0].std(dim=0)
    worst = max(part[:, 0].abs().nan_to_num(1e9, 1e9).max().item() for part in got)
    assert worst <= 100, say(
        f"a column that is constant in training (7, and 8 later) becomes {got[1][0, 0].item():.3g}:"
        " divide it by 1, not by a deviation of (nearly) 0",
        f"在训练集里恒为 7 的一列（之后出现了 8）变成了 {got[1][0, 0].item():.3g}："
        "这样的列应除以 1，而不是除以（几乎）为 0 的标准差",
    )
    for name, part, raw in (("train_x", got[0], before[0]), ("other_x", got[1], before[1])):
        wanted = ((raw - mean) / std)[:, 1:]
        off = (part[:, 1:] - wanted).abs().max().item()
        assert off < 0.05, say(
            f"{name} comes back with mean {part[:, 1:].mean():.2f} and deviation "
            f"{part[:, 1:].std():.2f}; with the training part's own mean and deviation it would "
            f"have {wanted.mean():.2f} and {wanted.std():.2f}",
            f"返回的 {name} 均值为 {part[:, 1:].mean():.2f}、标准差为 {part[:, 1:].std():.2f}；"
            f"若按训练部分的均值和标准差缩放，应为 {wanted.mean():.2f} 和 {wanted.std():.2f}",
        )


def epoch_of(submission, n, size, generator):
    x = torch.arange(n).float().reshape(n, 1).repeat(1, 3)
    found = call("shuffled_batches", submission.batches, x, torch.arange(n), size, generator)
    return [(bx[:, 0].long().tolist(), by.tolist()) for bx, by in found]


def test_shuffled_batches(submission):
    generator = torch.Generator().manual_seed(5)
    first, second = (epoch_of(submission, 50, 8, generator) for _ in range(2))
    seen = [i for xs, _ in first for i in xs]
    assert sorted(seen) == list(range(50)), say(
        f"50 examples in batches of 8: {len(seen)} came, {len(set(seen))} of them different; "
        "each must come once, those of a smaller last batch too",
        f"50 个样本、每批 8 个：共出现 {len(seen)} 个，其中不同的有 {len(set(seen))} 个；"
        "每个样本都应恰好出现一次，包括最后不满的一批",
    )
    apart = sum(x != y for xs, ys in first for x, y in zip(xs, ys, strict=True))
    assert apart == 0, say(
        f"{apart} of 50 examples have another example's label: x and y need the same order",
        f"50 个样本中有 {apart} 个配上了别人的标签：x 和 y 必须用同一个顺序",
    )
    sizes = [len(ys) for _, ys in first]
    assert max(sizes) == 8 and len(sizes) == 7, say(
        f"the batches have the sizes {sizes}; asked for were 8",
        f"各批大小为 {sizes}；要求每批 8 个",
    )
    in_place = sum(a == b for a, b in zip(seen, range(50), strict=True))
    assert in_place < 15, say(
        f"{in_place} of 50 examples stand where they stood: the order is not random",
        f"50 个样本中有 {in_place} 个还在原位：顺序没有打乱",
    )
    assert first != second, say(
        "two epochs with one generator have the same order; each must draw its own",
        "同一个 generator 下两轮的顺序完全相同；每一轮都应重新抽取",
    )
    again = epoch_of(submission, 50, 8, torch.Generator().manual_seed(5))
    assert again == first, say(
        "the same seed in the generator gives another order: the order is not drawn from it",
        "generator 的种子相同，顺序却不同：顺序不是由它抽取的",
    )


def test_gives_logits(submission, figures):
    for inputs, hidden, classes in ((64, 64, 10), (7, 5, 3)):
        torch.manual_seed(0)
        model = call("gives_logits", submission.build_model, inputs, hidden, classes).eval()
        x = torch.randn(6, inputs) * 3
        out = model(x).detach()
        assert tuple(out.shape) == (6, classes), say(
            f"an input of (6, {inputs}) gives {tuple(out.shape)}, not (6, {classes})",
            f"输入 (6, {inputs}) 得到 {tuple(out.shape)}，应为 (6, {classes})",
        )
        sums = out.exp().sum(dim=1) if (out <= 0).all() else out.sum(dim=1)
        assert not torch.allclose(sums, torch.ones(6), atol=1e-4), say(
            "each row is a distribution already (it sums to 1): cross_entropy applies the softmax "
            "itself and wants logits",
            "每一行已经是概率分布（和为 1）：cross_entropy 内部会做 softmax，需要的是 logits",
        )
        bend = (model(x) - 2 * model(x / 2) + model(torch.zeros_like(x))).abs().max().item()
        assert bend > 1e-4, say(
            "the model is linear: f(x) - 2 f(x/2) + f(0) is 0, so its layers are one matrix",
            "模型是线性的：f(x) - 2 f(x/2) + f(0) 为 0，各层合起来只是一个矩阵",
        )
        parameters = sum(p.numel() for p in model.parameters())
        wanted = inputs * hidden + hidden + hidden * classes + classes
        figures["parameters"] = parameters
        assert parameters == wanted, say(
            f"{inputs} -> {hidden} -> {classes} has {parameters} parameters; two linear layers "
            f"have {wanted}",
            f"{inputs} -> {hidden} -> {classes} 有 {parameters} 个参数；两个线性层应有 {wanted} 个",
        )


def test_one_step(submission, figures):
    model, data = small_model(), random_data()
    before, wanted = flat(model), steps_by_hand(model, [data])
    train_epoch("one_step", submission, model, [data])
    moved, right = flat(model) - before, wanted - before
    assert moved.abs().max() > 0, say(
        "after an epoch no weight has changed: is there a step, and does the loss reach the weights?",
        "训练一轮之后权重毫无变化：调用 step 了吗？损失和权重之间的计算图断了吗？",
    )
    figures["length"] = (moved.norm() / right.norm()).item()
    figures["cosine"] = F.cosine_similarity(moved, right, dim=0).item()
    assert torch.allclose(moved, right, atol=1e-5), say(
        f"one SGD step is {figures['length']:.3f} times as long as that of the mean cross-entropy "
        f"of the logits, at a cosine of {figures['cosine']:.3f} to it (both must be 1)",
        f"一步 SGD 的长度是“logits 的平均交叉熵”那一步的 {figures['length']:.3f} 倍，"
        f"方向余弦为 {figures['cosine']:.3f}（两者都应为 1）",
    )


def test_gradients_cleared(submission, figures):
    data = [random_data(seed=seed) for seed in range(4)]
    model = small_model()
    before, wanted = flat(model), steps_by_hand(model, data)
    piled = steps_by_hand(model, data, clear=False)
    train_epoch("gradients_cleared", submission, model, data)
    figures["difference"] = (flat(model) - wanted).abs().max().item()
    assert not torch.allclose(flat(model), piled, atol=1e-5), say(
        "four batches moved the weights by the piled-up gradients of all batches before: clear "
        "them once for each batch",
        "四个批次之后，权重是按累积起来的梯度移动的：每个批次都要清零一次",
    )
    assert figures["difference"] < 1e-5, say(
        f"after four batches a weight is off by {figures['difference']:.3g}: each batch must take "
        f"one step of its own (moved {(flat(model) - before).norm():.3f}, "
        f"right is {(wanted - before).norm():.3f})",
        f"四个批次之后，权重最多偏差 {figures['difference']:.3g}：每个批次应各走一步"
        f"（移动了 {(flat(model) - before).norm():.3f}，应为 {(wanted - before).norm():.3f}）",
    )


def test_epoch_loss(submission, figures):
    data = [random_data(20, seed=1), random_data(3, seed=2)]
    model = small_model()
    later = copy.deepcopy(model)  # as it is when the second batch comes
    nn.utils.vector_to_parameters(steps_by_hand(model, data[:1]), later.parameters())
    stages = zip((model, later), data, strict=True)
    losses = [F.cross_entropy(stage(x), y).item() for stage, (x, y) in stages]
    got = train_epoch("epoch_loss", submission, model, data)
    assert not getattr(got, "requires_grad", False), say(
        "the returned loss still holds the graph: use .item() before you add it up",
        "返回的损失还带着计算图：累加之前先用 .item() 取出数值",
    )
    assert got is not None, say("train_epoch returns nothing", "train_epoch 没有返回值")
    figures["loss"], wanted = float(got), (20 * losses[0] + 3 * losses[1]) / 23
    assert abs(figures["loss"] - wanted) < 1e-4, say(
        f"batches of 20 and 3 examples have the mean losses {losses[0]:.4f} and {losses[1]:.4f}; "
        f"returned was {figures['loss']:.4f}, the mean over the 23 examples is {wanted:.4f}",
        f"20 个和 3 个样本的两批，平均损失为 {losses[0]:.4f} 和 {losses[1]:.4f}；"
        f"返回了 {figures['loss']:.4f}，按 23 个样本平均应为 {wanted:.4f}",
    )


class Spy(nn.Module):
    """Records, at each forward pass, whether it is in training mode and gradients are on."""

    def __init__(self):
        super().__init__()
        self.layer, self.drop, self.seen = nn.Linear(4, 3), nn.Dropout(0.5), []

    def forward(self, x):
        self.seen.append((self.drop.training, torch.is_grad_enabled()))
        return self.layer(self.drop(x))


def test_modes(submission):
    model = Spy().eval()
    train_epoch("modes", submission, model, [random_data()])
    assert model.seen and all(training for training, _ in model.seen), say(
        "train_epoch ran the model in evaluation mode: its dropout was off",
        "train_epoch 在 eval 模式下运行模型：dropout 没有生效",
    )
    for training in (True, False):
        model = Spy().train(training)
        call("modes", submission.evaluate, model, *random_data())
        came = "train" if training else "eval"
        assert model.seen and not any(mode for mode, _ in model.seen), say(
            f"evaluate, given a model in {came} mode, ran it with dropout on",
            f"传入 {came} 模式的模型时，evaluate 在 dropout 生效的情况下运行了它",
        )
        assert not any(gradients for _, gradients in model.seen), say(
            "evaluate ran the model with gradients on: memory for a graph that nobody uses",
            "evaluate 运行模型时没有关闭梯度：白白为没人用的计算图占内存",
        )
        left = "train" if model.training else "eval"
        assert model.training == training, say(
            f"the model came to evaluate in {came} mode and was left in {left} mode",
            f"模型以 {came} 模式进入 evaluate，出来时却是 {left} 模式",
        )


def trained(criterion, submission, spoil=False, **options):
    """Return the model, its history, the held-out part that fit was given and one that it was
    not. spoil: with most labels of the first wrong."""
    train, held_out, unseen = digits(lambda *parts: call(criterion, submission.standardize, *parts))
    if spoil:
        x, y = held_out
        held_out = x, torch.where(torch.arange(len(y)) % 3 == 0, y, (y + 1) % 10)
    torch.manual_seed(11)
    model = call(criterion, submission.build_model)
    history = call(criterion, submission.fit, model, train, held_out, **options)
    return model, history, held_out, unseen


def test_history(submission, figures):
    model, history, held_out, _ = trained("history", submission, spoil=True, epochs=4, seed=3)
    assert isinstance(history, list) and len(history) == 4, say(
        f"fit(epochs=4) returned {type(history).__name__} of length "
        f"{len(history) if hasattr(history, '__len__') else 0}, not a list of 4",
        f"fit(epochs=4) 返回的 {type(history).__name__} 长度为 "
        f"{len(history) if hasattr(history, '__len__') else 0}，应为 4 项的列表",
    )
    figures["claimed"], figures["measured"] = history[-1]["accuracy"], accuracy(model, *held_out)
    assert abs(figures["claimed"] - figures["measured"]) < 1e-3, say(
        f"the last accuracy in the history is {figures['claimed']:.3f}; on held_out (here with two "
        f"thirds of the labels wrong, on purpose) the model has {figures['measured']:.3f}",
        f"历史记录的最后一个准确率是 {figures['claimed']:.3f}；而在 held_out 上（这里故意把三分之二"
        f"的标签弄错）模型实际为 {figures['measured']:.3f}",
    )
    other, *_ = trained("history", submission, epochs=4, seed=3)
    figures["difference"] = (flat(model) - flat(other)).abs().max().item()
    assert figures["difference"] < 1e-5, say(
        "fit learned from held_out: with most of its labels wrong, a weight came out different by "
        f"{figures['difference']:.3g}. Measure on it, never train on it",
        f"fit 从 held_out 里学了东西：把它的大部分标签弄错后，训练出的权重最多相差 "
        f"{figures['difference']:.3g}。它只能用来测量，不能用来训练",
    )
    losses = [entry["loss"] for entry in history]
    assert losses[-1] < losses[0], say(
        f"the training loss does not fall in four epochs: {rounded(losses)}",
        f"训练四轮，损失没有下降：{rounded(losses)}",
    )


def rounded(values):
    return ", ".join(f"{value:.3f}" for value in values)


def test_held_out_accuracy(submission, figures):
    model, _, _, unseen = trained("held_out_accuracy", submission)
    figures["accuracy"] = accuracy(model, *unseen)
    assert figures["accuracy"] >= ACCURACY, say(
        f"on {len(unseen[1])} images that it never saw the model gets {figures['accuracy']:.3f} "
        f"right; {ACCURACY} is asked for",
        f"在 {len(unseen[1])} 张没见过的图片上，模型的准确率是 {figures['accuracy']:.3f}；"
        f"要求达到 {ACCURACY}",
    )
