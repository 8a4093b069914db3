"""Criteria of week1/masking: BERT's collator (arXiv 1810.04805, appendix A.1) by its statistics,
and both losses against the models' own."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from functools import cache

import torch

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

IGNORED = -100
PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL = {UNK, CLS, SEP, MASK}  # padding is known by its place
ORDINARY = 5  # the first id that is no special one
SAME = 1e-3
"""Losses this near are equal: float32 sums over 49,152 logits differ by 1e-4 with their order."""
SIGMA = 5
"""By the exact binomial tails of its 44 figures a right submission is refused once in 10,000."""


def sentences(count, vocab_size, length, seed=0):
    """Sequences [CLS] ... [SEP] of ordinary tokens, some [UNK] and [MASK] among them."""
    source = random.Random(seed)
    rows = []
    for _ in range(count):
        words = [source.randrange(ORDINARY, vocab_size) for _ in range(source.randint(*length))]
        for odd in (UNK, MASK):
            words[source.randrange(len(words))] = odd
        rows.append([CLS, *words, SEP])
    return rows


def damage(submission, criterion, rows, vocab_size, generator, elsewhere=0):
    """The learner's batch and the original ids, all (batch, longest).

    elsewhere: seed of the random numbers that do not come from the generator, so that who draws
    those gets the same figures at every check.
    """
    torch.manual_seed(elsewhere)
    random.seed(elsewhere)
    batch = call(
        criterion, submission.collate, [list(row) for row in rows], mask_id=MASK, pad_id=PAD,
        special_ids=set(SPECIAL), vocab_size=vocab_size, generator=generator,
    )  # fmt: skip
    assert isinstance(batch, Mapping), say(
        f"collate returns {type(batch).__name__}, not a dict",
        f"collate 返回的是 {type(batch).__name__}，而不是字典",
    )
    longest = max(map(len, rows))
    for name in ("input_ids", "attention_mask", "labels"):
        got = batch.get(name)
        assert isinstance(got, torch.Tensor) and got.shape == (len(rows), longest), say(
            f"{name} is {shape_of(got)}; for {len(rows)} sequences of up to {longest} tokens it "
            f"must be a tensor ({len(rows)}, {longest})",
            f"{name} 是 {shape_of(got)}；{len(rows)} 条最长 {longest} 个 token 的序列应得到形状为 "
            f"({len(rows)}, {longest}) 的张量",
        )
    original = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
    return (
        batch["input_ids"].long(),
        batch["attention_mask"].long(),
        batch["labels"].long(),
        original,
    )


def shape_of(value):
    return tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__


@cache
def sample(submission, criterion, vocab_size, length, batches, rows=64):
    """What became of the choosable tokens of many batches: (seen, label, original), flat."""
    generator = torch.Generator().manual_seed(vocab_size)
    parts = []
    for number in range(batches):
        data = sentences(rows, vocab_size, length, seed=number)
        seen, _, labels, original = damage(submission, criterion, data, vocab_size, generator)
        choosable = original >= ORDINARY
        parts.append(torch.stack([seen[choosable], labels[choosable], original[choosable]]))
    return torch.cat(parts, dim=1)


def within(count, n, p, what):
    """A binomial count within SIGMA standard deviations; what: (en, zh). Return the share."""
    deviation = math.sqrt(n * p * (1 - p))
    assert abs(count - n * p) <= SIGMA * deviation, say(
        f"{what[0]}: {count} of {n:,} ({count / n:.2%}); expected are {p:.2%}, and a right one lies "
        f"within {SIGMA * deviation / n:.2%} of that",
        f"{what[1]}：{n:,} 中有 {count}（{count / n:.2%}）；期望为 {p:.2%}，正确的结果偏差不超过 "
        f"{SIGMA * deviation / n:.2%}",
    )
    return round(count / n, 4)


def test_padding(submission):
    rows = sentences(40, 200, (3, 60), seed=1)
    generator = torch.Generator().manual_seed(1)
    seen, attention, labels, _ = damage(submission, "padding", rows, 200, generator)
    lengths = [len(row) for row in rows]
    real = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    got = attention.sum(1).tolist()
    assert torch.equal(attention, real.long()), say(
        f"attention_mask has {got[:6]} ones in the first rows, whose lengths are {lengths[:6]}",
        f"attention_mask 前几行的 1 的个数是 {got[:6]}，而长度是 {lengths[:6]}",
    )
    chosen = (labels[~real] != IGNORED).sum().item()
    assert not chosen, say(
        f"{chosen} of {(~real).sum().item()} padding positions have a label: padding is chosen",
        f"{(~real).sum().item()} 个填充位置中有 {chosen} 个带标签：填充被选中了",
    )
    other = (seen[~real] != PAD).sum().item()
    assert not other, say(
        f"{other} padding positions do not hold pad_id", f"有 {other} 个填充位置不是 pad_id"
    )


def test_special_tokens(submission):
    rows = sentences(300, 200, (3, 30), seed=2)
    generator = torch.Generator().manual_seed(2)
    seen, _, labels, original = damage(submission, "special_tokens", rows, 200, generator)
    for name, number in (("[CLS]", CLS), ("[SEP]", SEP), ("[UNK]", UNK), ("[MASK]", MASK)):
        place = original == number
        chosen = (labels[place] != IGNORED).sum().item()
        changed = (seen[place] != number).sum().item()
        assert not chosen and not changed, say(
            f"of {place.sum().item()} {name} {chosen} have a label and {changed} were changed",
            f"{place.sum().item()} 个 {name} 中，{chosen} 个带了标签，{changed} 个被改动",
        )


def test_labels(submission):
    seen, labels, original = sample(submission, "labels", 1000, (20, 80), 10)
    chosen = labels != IGNORED
    assert chosen.any(), say("no token has a label", "没有任何 token 带标签")
    wrong = (labels[chosen] != original[chosen]).sum().item()
    assert not wrong, say(
        f"{wrong} of {chosen.sum().item()} labels are not the token that stood there before",
        f"{chosen.sum().item()} 个标签中有 {wrong} 个不是原来的 token",
    )
    silent = (seen[~chosen] != original[~chosen]).sum().item()
    assert not silent, say(
        f"{silent} tokens were changed although they have no label",
        f"有 {silent} 个 token 没有标签却被改动了",
    )


def test_share(submission, figures):
    _, labels, _ = sample(submission, "share", 1000, (20, 80), 60)
    chosen = (labels != IGNORED).sum().item()
    what = ("tokens chosen", "被选中的 token")
    figures["chosen"] = within(chosen, labels.numel(), 0.15, what)
    # 20 choosable tokens each: with independent draws 0.85^20 = 3.9 % of them have none chosen.
    rows = [[CLS, *range(ORDINARY, ORDINARY + 20), SEP]] * 4000
    generator = torch.Generator().manual_seed(3)
    labels = damage(submission, "share", rows, 1000, generator)[2]
    none = (labels == IGNORED).all(1).sum().item()
    what = ("sequences of 20 tokens without a chosen one", "20 个 token 的序列中一个都没选中的")
    figures["none_of_20"] = within(none, len(rows), 0.85**20, what)


def test_eighty_ten_ten(submission, figures):
    size = 1000
    seen, labels, original = sample(submission, "eighty_ten_ten", size, (20, 80), 60)
    chosen = labels != IGNORED
    seen, original = seen[chosen], original[chosen]
    n = int(chosen.sum())
    masked, same = (seen == MASK).sum().item(), (seen == original).sum().item()
    assert n, say("no token is chosen", "没有 token 被选中")
    # A random token is now and then [MASK] or the original itself.
    for name, count, share, what in (
        ("mask", masked, 0.8 + 0.1 / size, ("chosen tokens that became [MASK]", "变成 [MASK] 的")),
        ("random", n - masked - same, 0.1 - 0.2 / size,
         ("chosen tokens that became another token", "换成其他 token 的")),
        ("same", same, 0.1 + 0.1 / size, ("chosen tokens that stayed", "保持不变的")),
    ):  # fmt: skip
        figures[name] = within(count, n, share, what)


def test_whole_vocabulary(submission, figures):
    """In a small vocabulary each id, special ones too, is drawn about equally often."""
    size = 40
    seen, labels, original = sample(submission, "whole_vocabulary", size, (20, 80), 60)
    chosen = labels != IGNORED
    seen, original = seen[chosen], original[chosen]
    outside = ((seen < 0) | (seen >= size)).sum().item()
    assert not outside, say(
        f"{outside} ids are outside the vocabulary of {size}",
        f"有 {outside} 个 id 超出了大小为 {size} 的词表",
    )
    drawn = Counter(seen[seen != original].tolist())
    counts = {number: drawn[number] for number in range(size) if number != MASK}
    figures |= {"rarest": min(counts.values()), "commonest": max(counts.values())}
    for number, count in counts.items():
        n = (original != number).sum().item()
        what = (f"chosen tokens that became id {number}", f"被换成 id {number} 的")
        within(count, n, 0.1 / size, what)


def test_reproducible(submission):
    rows = sentences(30, 200, (20, 40), seed=4)

    def draw(generator, elsewhere):
        seen, _, labels, _ = damage(submission, "reproducible", rows, 200, generator, elsewhere)
        return torch.stack([seen, labels])

    def fresh():
        return torch.Generator().manual_seed(5)

    generator = fresh()
    first, second = draw(generator, 1), draw(generator, 2)
    again = draw(fresh(), 3)
    other = draw(torch.Generator().manual_seed(6), 1)
    different = (first != again).any(0).sum().item()
    assert not different, say(
        f"two generators with the same seed give batches that differ in {different} tokens",
        f"种子相同的两个 generator 得到的批次有 {different} 个 token 不同",
    )
    for name, batch in (
        (("the next call", "再次调用"), second),
        (("another seed", "换种子"), other),
    ):
        assert not torch.equal(first, batch), say(
            f"{name[0]} gives the same batch again: the model would see each text in one form only",
            f"{name[1]}仍得到同一个批次：模型对每段文本只会看到一种样子",
        )


def alternatives(logits, labels):
    """What common mistakes give, by name (en, zh)."""
    one = torch.nn.functional.cross_entropy
    vocab = logits.shape[-1]
    every = one(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    every = every.view(labels.shape)
    counted = labels != IGNORED
    shifted = one(logits[:, :-1].reshape(-1, vocab), labels[:, 1:].reshape(-1))
    back = one(logits[:, 1:].reshape(-1, vocab), labels[:, :-1].reshape(-1))
    rows = every.sum(1) / counted.sum(1).clamp(min=1)
    return {
        ("the loss without a shift", "不错位的损失"): every.sum() / counted.sum(),
        ("the loss shifted by one", "错开一位的损失"): shifted,
        ("the loss shifted the other way", "朝反方向错位的损失"): back,
        ("the sum, not the mean", "总和而不是平均"): every.sum(),
        ("the sum divided by all positions", "总和除以全部位置数"): every.mean(),
        ("the mean of the sequences' means", "各序列平均值的平均"): rows.mean(),
    }


def same_loss(criterion, function, logits, labels, own, what, figures):
    got = call(criterion, function, logits, labels)
    assert isinstance(got, torch.Tensor) and got.numel() == 1, say(
        f"{criterion} returns {shape_of(got)}; it must be a tensor with one number",
        f"{criterion} 返回 {shape_of(got)}；应为只含一个数的张量",
    )
    figures[what[0].replace(" ", "_")] = value = got.item()
    found = alternatives(logits, labels)
    known = [name for name, loss in found.items() if abs(loss.item() - value) < SAME]
    note = say(f" (that is {known[0][0]})", f"（这是{known[0][1]}）") if known else ""
    assert abs(value - own.item()) < SAME, say(
        f"{what[0]}: you have {value:.5f}, the model itself {own.item():.5f}{note}",
        f"{what[1]}：你算出 {value:.5f}，模型自己是 {own.item():.5f}{note}",
    )
    return got


def check_gradient(criterion, function, logits, labels):
    logits = logits.detach().requires_grad_()
    loss = call(criterion, function, logits, labels)
    assert loss.requires_grad, say("no gradient flows back from the loss", "损失无法回传梯度")
    (gradient,) = torch.autograd.grad(loss, logits)
    bad = (~torch.isfinite(gradient)).sum().item()
    assert not bad and gradient.any(), say(
        f"the gradient with respect to the logits has {bad} NaN or infinite values",
        f"损失对 logits 的梯度中有 {bad} 个 NaN 或无穷",
    )


def test_causal_loss(submission, figures):
    """Three texts of different lengths; padding is not counted, nor is the beginning of one."""
    call("causal_loss", submission.causal_loss, torch.zeros(1, 3, 4), torch.ones(1, 3).long())
    model, tokenizer = lab.load_base("float32")
    texts = ["Attention moves information between positions.",
             "The cat sat on the mat, and the dog sat on the cat, which it did not like.",
             "注意力让每个位置查看其他位置。"]  # fmt: skip
    rows = [tokenizer(text)["input_ids"] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    real = torch.arange(longest) < torch.tensor([len(row) for row in rows])[:, None]
    labels = ids.masked_fill(~real, IGNORED)
    labels[1, :6] = IGNORED
    with torch.no_grad():
        output = model.eval()(input_ids=ids, attention_mask=real.long(), labels=labels)
    what = ("causal loss of three texts", "三段文本的因果损失")
    function = submission.causal_loss
    same_loss("causal_loss", function, output.logits, labels, output.loss, what, figures)
    check_gradient("causal_loss", function, output.logits[:, :, :50], labels.clamp(max=49))


def test_masked_loss(submission, figures):
    call("masked_loss", submission.masked_loss, torch.zeros(1, 3, 4), torch.ones(1, 3).long())
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, initializer_range=0.5,
    )  # fmt: skip
    model = BertForMaskedLM(config).eval()
    ids = torch.randint(200, (3, 12))
    labels = torch.full_like(ids, IGNORED)
    for row, places in enumerate(([3], [1, 2, 5, 8, 11], [])):
        labels[row, places] = ids[row, places]
    with torch.no_grad():
        output = model(input_ids=ids, labels=labels)
    what = ("masked loss of six tokens", "六个 token 的掩码损失")
    function = submission.masked_loss
    same_loss("masked_loss", function, output.logits, labels, output.loss, what, figures)
    check_gradient("masked_loss", function, output.logits, labels)
