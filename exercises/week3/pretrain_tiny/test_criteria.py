"""Criteria of week3/pretrain_tiny: the functions on data of the grader's own, and what the
finished run left, measured again on the held-out lines."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from itertools import pairwise

import torch

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

BOS = "<|endoftext|>"
MARGIN = 0.25
"""Nats a byte below the bigram baseline. Measured: bigram 2.58, the solution 2.17 after 500 steps, 2.33 after 300 at half the rate."""
ODD = "Naïve 模型 → 🤖\tx_1 = 3;\n\n  done"


def lines_split(text):
    lines = text.splitlines(keepends=True)
    cut = len(lines) - len(lines) // 10
    return "".join(lines[:cut]), "".join(lines[cut:])


@cache
def corpus():
    return lines_split(lab.lessons("en"))


def test_split(submission):
    numbered = "".join(f"This is line number {i} of a text.\n" for i in range(57))
    for text in (numbered, "one\n" * 25, lab.lessons("en")):
        train, held_out = call("split", submission.split, text)
        if text == numbered:
            both = set(held_out.splitlines()) & set(train.splitlines())
            assert not both, say(
                f"{len(both)} of {len(held_out.splitlines())} held-out lines are in the training "
                f"text as well: {sorted(both)[:1]}",
                f"留出的 {len(held_out.splitlines())} 行中有 {len(both)} 行也在训练文本里："
                f"{sorted(both)[:1]}",
            )
        expected = lines_split(text)
        sizes = len(train), len(held_out)
        wanted = len(expected[0]), len(expected[1])
        assert (train, held_out) == expected, say(
            f"train and held-out have {sizes} characters, together {sum(sizes)} of {len(text)}; "
            f"the last tenth of the lines makes {wanted}",
            f"训练与留出部分各有 {sizes} 个字符，合计 {sum(sizes)}，原文 {len(text)}；"
            f"留出最后十分之一的行应为 {wanted}",
        )


def test_tokenizer(submission, figures):
    text = "zebra quagga okapi " * 40 + "\n" + "quagga zebra, okapi.\n" * 40
    tokenizer = call("tokenizer", submission.train_tokenizer, text)
    for sample in (text[:40], ODD, " leading", "tail  "):
        back = tokenizer.decode(tokenizer.encode(sample).ids)
        assert back == sample, say(
            f"{sample!r} comes back from its ids as {back!r}",
            f"{sample!r} 编码再解码后变成了 {back!r}",
        )
    size = tokenizer.get_vocab_size()
    assert size <= submission.VOCAB, say(
        f"{size} entries, more than VOCAB = {submission.VOCAB}",
        f"词表有 {size} 项，超过了 VOCAB = {submission.VOCAB}",
    )
    assert tokenizer.token_to_id(BOS) == 0, say(
        f"the id of {BOS} is {tokenizer.token_to_id(BOS)}, not 0",
        f"{BOS} 的 id 是 {tokenizer.token_to_id(BOS)}，应为 0",
    )
    figures["bytes_per_token"] = len(text) / len(tokenizer.encode(text).ids)


def test_pack(submission):
    for count, block, bos in ((100, 8, 0), (63, 64, 5), (64, 17, 3), (1000, 33, 999)):
        ids = list(range(1, count + 1))
        got = torch.as_tensor(call("pack", submission.pack, list(ids), bos, block))
        rows, width = count // (block - 1), block - 1
        assert tuple(got.shape) == (rows, block), say(
            f"{count} ids in blocks of {block} make {tuple(got.shape)}; with bos in front and no "
            f"id twice it is {(rows, block)}",
            f"{count} 个 id、块长 {block}，得到 {tuple(got.shape)}；开头加 bos 且 id 不重复时应为 "
            f"{(rows, block)}",
        )
        twice = got[:, 1:].numel() - got[:, 1:].unique().numel()
        assert not twice, say(
            f"the blocks overlap: {twice} of {count} ids stand in two of them",
            f"块与块重叠：{count} 个 id 中有 {twice} 个出现了两次",
        )
        expected = torch.tensor(ids[: rows * width]).view(rows, width)
        assert got[:, 0].eq(bos).all() and torch.equal(got[:, 1:], expected), say(
            f"the first row is {got[0, :4].tolist()}…; it must be {[bos, *ids[:3]]}…",
            f"第一行是 {got[0, :4].tolist()}…；应为 {[bos, *ids[:3]]}…",
        )


def test_no_leak(submission):
    """A text whose last lines have words of their own."""
    text = "".join(f"The {i}th quick brown fox jumps over a lazy dog.\n" for i in range(270))
    text += "".join(f"Zyzzyva XQJ hides a quokka {i} times.\n" for i in range(30))
    tokenizer, blocks, held_out = call("no_leak", submission.prepare, text)
    ids = torch.as_tensor(blocks)[:, 1:].flatten().tolist()
    back = tokenizer.decode(ids)
    lines = back.count("quokka")
    assert not lines, say(
        f"{lines} of 30 held-out lines are in the blocks to train on",
        f"30 行留出文本中有 {lines} 行出现在训练用的块里",
    )
    train, expected = lines_split(text)
    assert held_out == expected, say(
        f"held_out has {len(held_out)} characters; the last tenth of the lines has {len(expected)}",
        f"held_out 有 {len(held_out)} 个字符；最后十分之一的行有 {len(expected)} 个",
    )
    other = tokenizer.get_vocab().items() ^ submission.train_tokenizer(train).get_vocab().items()
    assert not other, say(
        f"the tokenizer differs in {len(other)} entries from one trained on the training lines "
        f"alone, {min(other)[0]!r} among them",
        f"分词器与只用训练行训练的相比有 {len(other)} 项不同，例如 {min(other)[0]!r}",
    )
    missing = len(tokenizer.encode(train).ids) - len(ids)
    assert train.startswith(back) and missing < submission.BLOCK - 1, say(
        f"{missing} ids of the training text are in no block; only what is too little for a whole "
        "one may be left out",
        f"训练文本中有 {missing} 个 id 不在任何块里；只有不够一整块的部分才可以丢掉",
    )


def random_model(vocab=300, seed=5):
    """A GPT-2 of the grader's own with dropout and uneven predictions."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(vocab_size=vocab, n_positions=256, n_embd=32, n_layer=1, n_head=2,
                        initializer_range=0.2, bos_token_id=0, eos_token_id=0)  # fmt: skip
    return GPT2LMHeadModel(config)


@torch.no_grad()
def losses(model, rows):
    """-ln p of each id but the first of each row, (rows, length - 1), by the grader."""
    log_p = model.eval()(input_ids=rows).logits[:, :-1].double().log_softmax(-1)
    return -log_p.gather(2, rows[:, 1:, None])[..., 0]


def test_block_loss(submission):
    for seed, shape in ((1, (4, 16)), (2, (1, 40)), (3, (9, 2))):
        rows = torch.randint(0, 300, shape, generator=torch.Generator().manual_seed(seed))
        model = random_model().eval()
        got = call("block_loss", submission.block_loss, model, rows).item()
        expected = losses(model, rows).mean().item()
        assert math.isclose(got, expected, rel_tol=1e-3), say(
            f"for blocks {shape} the loss is {got:.4f}; each id predicting the next, and none the "
            f"one after it, it is {expected:.4f}",
            f"块的形状为 {shape} 时，损失是 {got:.4f}；由每个 id 预测紧接着的下一个（只错开一位），"
            f"应为 {expected:.4f}",
        )


def test_model(submission, figures):
    model = call("model", submission.build_model, 400)
    figures["parameters"] = model.num_parameters()
    assert 1e5 <= figures["parameters"] <= 1.5e6, say(
        f"{figures['parameters']:,} parameters; 100,000 to 1,500,000 are asked for",
        f"参数有 {figures['parameters']:,} 个；要求在 100,000 到 1,500,000 之间",
    )
    logits = model(torch.zeros(1, submission.BLOCK, dtype=torch.long)).logits
    assert logits.shape[-1] == 400, say(
        f"for a vocabulary of 400 the model gives {logits.shape[-1]} logits",
        f"词表大小为 400，模型却给出 {logits.shape[-1]} 个 logit",
    )
    torch.manual_seed(77)
    again = submission.build_model(400)
    changed = sum(not torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(),
                                                        strict=True))  # fmt: skip
    assert not changed, say(
        f"a second call starts {changed} tensors from other values: seed inside build_model",
        f"再调用一次，有 {changed} 个张量的初始值不同：请在 build_model 内设定种子",
    )


def test_schedule(submission):
    from transformers import get_cosine_schedule_with_warmup

    for steps, warmup, peak in ((100, 10, 1e-3), (37, 5, 0.5), (50, 1, 2.0)):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
        schedule = get_cosine_schedule_with_warmup(optimizer, warmup, steps)
        for step in range(steps):
            got = call("schedule", submission.learning_rate, step, steps, warmup, peak)
            expected = schedule.get_last_lr()[0]
            assert math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-12), say(
                f"step {step} of {steps}, {warmup} of them warm-up, peak {peak:g}: the rate is "
                f"{got:.4g}; it must be {expected:.4g}",
                f"共 {steps} 步，其中预热 {warmup} 步，峰值 {peak:g}：第 {step} 步的学习率是 "
                f"{got:.4g}，应为 {expected:.4g}",
            )
            optimizer.step()
            schedule.step()


def measured(model, tokenizer, text, block):
    """Nats a byte of the text: windows of bos and up to block - 1 tokens, each scored once."""
    ids, width, total = tokenizer.encode(text).ids, block - 1, 0.0
    bos = tokenizer.token_to_id(BOS)
    for start in range(0, len(ids), width):
        total += losses(model, torch.tensor([[bos, *ids[start : start + width]]])).sum().item()
    return total / len(text.encode())


def bytes_tokenizer():
    """One token a byte, but for a few pairs: bytes and tokens are not the same number."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {entry: i for i, entry in enumerate([BOS, *letters, "th", "in", "the"])}
    tokenizer = Tokenizer(models.BPE(vocab, [("t", "h"), ("i", "n"), ("th", "e")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_measure(submission, figures):
    tokenizer = bytes_tokenizer()
    for text in ("the thin thing in the bin", ODD * 9, corpus()[1][:700]):
        model = random_model().train()
        got = float(call("measure", submission.nats_per_byte, model, tokenizer, text))
        expected = measured(random_model(), tokenizer, text, submission.BLOCK)
        figures |= {"got": got, "expected": expected}
        assert math.isclose(got, expected, rel_tol=2e-3), say(
            f"a text of {len(text.encode())} bytes and {len(tokenizer.encode(text).ids)} tokens "
            f"scores {got:.4f} nats a byte; it must be {expected:.4f} (dropout off, every token "
            "once, divided by bytes)",
            f"一段 {len(text.encode())} 字节、{len(tokenizer.encode(text).ids)} 个 token 的文本得 "
            f"{got:.4f} nat/字节；应为 {expected:.4f}（关闭 dropout，每个 token 计一次，除以字节数）",
        )


@cache
def finished(run_dir):
    """Return the run's model and tokenizer, loaded from what it left."""
    from tokenizers import Tokenizer
    from transformers import GPT2LMHeadModel

    absent = [name for name in ("config.json", "model.safetensors")
              if not (run_dir / "model" / name).exists()]  # fmt: skip
    assert not absent, say(
        f'lab.run_dir() / "model" holds no {absent[0] if absent else ""}: save_pretrained writes it',
        f'lab.run_dir() / "model" 中没有 {absent[0] if absent else ""}：应由 save_pretrained 写出',
    )
    model = GPT2LMHeadModel.from_pretrained(run_dir / "model").eval()
    return model, Tokenizer.from_file(str(run_dir / "tokenizer.json"))


def test_trained(submission, run_dir, figures):
    model, tokenizer = finished(run_dir)
    fresh = call("trained", submission.build_model, tokenizer.get_vocab_size())
    pairs = list(zip(model.parameters(), fresh.parameters(), strict=False))
    alike = [a.shape == b.shape for a, b in pairs]
    assert all(alike) and model.num_parameters() == fresh.num_parameters(), say(
        f"the saved model has {model.num_parameters():,} parameters, build_model's "
        f"{fresh.num_parameters():,}",
        f"保存的模型有 {model.num_parameters():,} 个参数，build_model 的有 "
        f"{fresh.num_parameters():,} 个",
    )
    still = sum(torch.equal(a, b) for a, b in pairs)
    figures["tensors_unmoved"] = still
    assert not still, say(
        f"{still} of {len(pairs)} tensors are bit for bit as build_model makes them",
        f"{len(pairs)} 个张量中有 {still} 个与 build_model 生成的完全相同",
    )
    own = call("trained", submission.train_tokenizer, corpus()[0])
    entries, expected = tokenizer.get_vocab(), own.get_vocab()
    other = len(entries.items() ^ expected.items())
    assert not other, say(
        f"the saved tokenizer differs in {other} entries from train_tokenizer on the training "
        "text: was it trained on held-out text too?",
        f"保存的分词器与只用训练文本训练的相比，有 {other} 项不同：训练时是否用到了留出文本？",
    )


def bigram(train, held_out):
    """Nats a byte of a byte bigram model with 0.1 added to each count."""
    before, after = train.encode(), held_out.encode()
    pairs, singles = Counter(pairwise(before)), Counter(before[:-1])
    p = [(pairs[a, b] + 0.1) / (singles[a] + 25.6) for a, b in pairwise(after)]
    return -sum(map(math.log, p)) / len(p)


def test_held_out(submission, run_dir, figures):
    found = measured(*finished(run_dir), corpus()[1], submission.BLOCK)
    baseline = bigram(*corpus())
    figures |= {"nats_per_byte": found, "bigram": baseline}
    assert found < baseline - MARGIN, say(
        f"held-out loss is {found:.3f} nats a byte; a bigram of bytes has {baseline:.3f}, and "
        f"{baseline - MARGIN:.3f} must be reached",
        f"留出集损失为 {found:.3f} nat/字节；字节 bigram 为 {baseline:.3f}，须低于 "
        f"{baseline - MARGIN:.3f}",
    )
