"""Criteria of week3/decoding: each function beside transformers' own, on hidden logits and small
random models."""

from __future__ import annotations

from functools import cache

import torch

from exercises.gap import call
from tutor.base.i18n import say

INF = float("inf")
VOCAB = 40
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


def logits_of(seed, rows=3, vocab=VOCAB, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, vocab, generator=generator, dtype=dtype) * 3


def ids_of(seed, rows, length, vocab=VOCAB):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, vocab, (rows, length), generator=generator)


@cache
def model(seed=0):
    """A small random Llama whose distributions are as uneven as a trained one's."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    shape = LlamaConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=64,
                        num_hidden_layers=2, num_attention_heads=4, initializer_range=0.3,
                        bos_token_id=None, eos_token_id=None, pad_token_id=None)  # fmt: skip
    return LlamaForCausalLM(shape).eval()


@torch.no_grad()
def next_logits(ids):
    return model()(ids).logits[:, -1]


def reference(ids, **settings):
    """transformers' own generate, with every setting written out."""
    from transformers import GenerationConfig

    if settings.get("do_sample"):  # what is not named must not cut: top_k would be 50
        settings = {"top_k": 0, "top_p": 1.0, **settings}
    settings = {"do_sample": False, "num_beams": 1, **settings}
    config = GenerationConfig(return_dict_in_generate=True, **settings)
    return model().generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)


def same(got, expected, what_en, what_zh):
    """The two tensors agree, -inf included; else say at how many places they do not."""
    got = torch.as_tensor(got)
    assert got.shape == expected.shape, say(
        f"{what_en}: the shape is {tuple(got.shape)}, not {tuple(expected.shape)}",
        f"{what_zh}：形状是 {tuple(got.shape)}，应为 {tuple(expected.shape)}",
    )
    kept, wanted = int((got > -INF).sum()), int((expected > -INF).sum())
    apart = ~torch.isclose(got.double(), expected.double(), **CLOSE)
    if not apart.any():
        return
    row, token = apart.nonzero()[0].tolist()
    raise AssertionError(
        say(
            f"{what_en}: {kept} logits are kept, {wanted} must be; {int(apart.sum())} differ, the "
            f"first is row {row}, token {token}: {got[row, token]:.4g} for "
            f"{expected[row, token]:.4g}",
            f"{what_zh}：保留了 {kept} 个 logit，应为 {wanted} 个；有 {int(apart.sum())} 处不同，"
            f"第一处是第 {row} 行、token {token}：得到 {got[row, token]:.4g}，应为 "
            f"{expected[row, token]:.4g}",
        )
    )


def test_temperature(submission):
    from transformers import TemperatureLogitsWarper

    for temperature in (0.1, 0.7, 1.0, 2.5):
        logits = logits_of(1)
        got = call("temperature", submission.apply_temperature, logits, temperature)
        expected = TemperatureLogitsWarper(temperature)(None, logits_of(1))
        same(got, expected, f"temperature {temperature}", f"温度 {temperature}")
    for temperature in (0.0, -1.0):
        try:
            got = submission.apply_temperature(logits_of(1), temperature)
        except ValueError:
            continue
        raise AssertionError(
            say(
                f"a temperature of {temperature:g} gives {got[0, 0]:.3g} and no ValueError",
                f"温度为 {temperature:g} 时得到 {got[0, 0]:.3g}，而没有抛出 ValueError",
            )
        )


def test_top_k(submission):
    from transformers import TopKLogitsWarper

    for k in (1, 5, VOCAB - 1, VOCAB, VOCAB + 10):
        logits = logits_of(2, dtype=torch.float64)
        got = call("top_k", submission.top_k, logits, k)
        expected = TopKLogitsWarper(k)(None, logits_of(2, dtype=torch.float64))
        what = f"k = {k}, vocabulary {VOCAB}", f"k = {k}，词表大小 {VOCAB}"
        same(got, expected, *what)
    tied = torch.tensor([[1.0, 3.0, 2.0, 2.0, 0.0, 2.0], [-1.0, -1.0, -5.0, -1.0, -2.0, -3.0]])
    expected = TopKLogitsWarper(2)(None, tied.clone())
    same(submission.top_k(tied.clone(), 2), expected, "ties at the k-th value, k = 2",
         "第 k 名并列，k = 2")  # fmt: skip


def test_top_p(submission, figures):
    from transformers import TopPLogitsWarper

    for p in (0.05, 0.3, 0.55, 0.9, 0.99):
        got = call("top_p", submission.top_p, logits_of(3), p)
        expected = TopPLogitsWarper(p)(None, logits_of(3))
        figures[f"kept_{p}"] = float((torch.as_tensor(got) > -INF).sum())
        same(got, expected, f"p = {p}", f"p = {p}")
    same(submission.top_p(logits_of(4), 1e-9), TopPLogitsWarper(1e-9)(None, logits_of(4)),
         "p = 1e-9: the best token of each row stays", "p = 1e-9：每行应留下最好的一个")  # fmt: skip
    # The sum of the first two already rounds to 1 in float32.
    tail = torch.tensor([[0.0, -40.0, -30.0, -90.0]])
    same(submission.top_p(tail.clone(), 1.0), tail, "p = 1: no token is cut",
         "p = 1：一个 token 都不该截掉")  # fmt: skip
    cut = torch.tensor([[2.0, -INF, 1.0, -INF, 0.0]])
    same(submission.top_p(cut.clone(), 0.8), TopPLogitsWarper(0.8)(None, cut.clone()),
         "p = 0.8, two tokens cut before", "p = 0.8，已有两个 token 被截掉")  # fmt: skip


def test_repetition_penalty(submission):
    from transformers import RepetitionPenaltyLogitsProcessor

    for penalty in (1.3, 2.0, 0.8):
        for length in (1, 6, 90):  # 90 ids of 40: most occur more than once
            ids = ids_of(5, 3, length)
            got = call("repetition_penalty", submission.repetition_penalty, logits_of(5), ids,
                       penalty)  # fmt: skip
            expected = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits_of(5))
            same(got, expected, f"penalty {penalty} over {length} ids",
                 f"惩罚 {penalty}，{length} 个 id")  # fmt: skip


def test_inputs_unchanged(submission):
    """What is called with a tensor may go on to use it."""
    ids = ids_of(6, 3, 8)
    calls = {
        "apply_temperature": (submission.apply_temperature, (0.5,)),
        "top_k": (submission.top_k, (4,)),
        "top_p": (submission.top_p, (0.5,)),
        "repetition_penalty": (submission.repetition_penalty, (ids, 1.5)),
        "process": (submission.process, (ids, 0.5, 4, 0.9, 1.5)),
    }
    for name, (function, arguments) in calls.items():
        logits = logits_of(6)
        call("inputs_unchanged", function, logits, *arguments)
        changed = int((logits != logits_of(6)).sum())
        assert not changed, say(
            f"{name} changes {changed} of the {logits.numel()} logits that it was given: the "
            "caller's tensor must stay as it is",
            f"{name} 改动了传入的 {logits.numel()} 个 logit 中的 {changed} 个：调用者的张量应保持原样",
        )
    assert torch.equal(ids, ids_of(6, 3, 8)), say("ids were changed", "ids 被改动了")


def test_order(submission):
    """What generate did to the logits of each step of its own, done again."""
    settings = {"temperature": 1.7, "top_k": 12, "top_p": 0.8, "repetition_penalty": 1.6}
    for left_out in (None, "temperature", "top_k", "top_p", "repetition_penalty"):
        used = {name: value for name, value in settings.items() if name != left_out}
        torch.manual_seed(11)
        out = reference(ids_of(7, 2, 5), do_sample=True, max_new_tokens=8, output_logits=True,
                        output_scores=True, **used)  # fmt: skip
        arguments = {
            "temperature": used.get("temperature", 1.0),
            "k": used.get("top_k", 0),
            "p": used.get("top_p", 1.0),
            "penalty": used.get("repetition_penalty", 1.0),
        }
        for step, (raw, scores) in enumerate(zip(out.logits, out.scores, strict=True)):
            ids = out.sequences[:, : 5 + step]
            got = call("order", submission.process, raw.clone(), ids, **arguments)
            what = f"{arguments}, step {step} of generate", f"{arguments}，generate 的第 {step} 步"
            same(got, scores, *what)


def drawn(submission, logits, seed):
    generator = torch.Generator().manual_seed(seed)
    got = call("sample", submission.sample, logits, generator)
    return torch.as_tensor(got)


def test_sample(submission, figures):
    draws = 20_000
    probabilities = torch.tensor([0.5, 0.25, 0.15, 0.1, 0.0])
    logits = (probabilities.log() + 3.0).expand(draws, 5)
    torch.manual_seed(1)
    ids = drawn(submission, logits, 5)
    assert ids.shape == (draws,), say(
        f"for logits ({draws}, 5) the ids are {tuple(ids.shape)}, not ({draws},)",
        f"logits 为 ({draws}, 5) 时，ids 的形状是 {tuple(ids.shape)}，应为 ({draws},)",
    )
    frequency = torch.bincount(ids.long(), minlength=5)[:5] / draws
    figures["farthest"] = (frequency - probabilities).abs().max().item()
    assert frequency[4] == 0, say(
        f"a token of logit -inf was drawn {int(frequency[4] * draws)} times in {draws}",
        f"logit 为 -inf 的 token 在 {draws} 次中被抽到 {int(frequency[4] * draws)} 次",
    )
    # Four standard deviations of the commonest token's frequency are 0.014.
    assert figures["farthest"] < 0.02, say(
        f"probabilities {probabilities.tolist()} came out as "
        f"{[round(x, 3) for x in frequency.tolist()]} in {draws} draws",
        f"概率为 {probabilities.tolist()}，{draws} 次抽样的频率却是 "
        f"{[round(x, 3) for x in frequency.tolist()]}",
    )
    torch.manual_seed(2)
    again = int((drawn(submission, logits, 5) == ids).sum())
    assert again == draws, say(
        f"with the same generator seed only {again} of {draws} draws are the same: draw from the "
        "generator given, not from torch's global one",
        f"生成器种子相同，{draws} 次抽样却只有 {again} 次一致：应使用传入的 generator，而不是 torch 的全局随机数",
    )
    other = int((drawn(submission, logits, 6) == ids).sum())
    assert other < draws * 0.5, say(
        f"another generator seed gives the same id in {other} of {draws} draws",
        f"换了生成器种子，{draws} 次抽样仍有 {other} 次相同",
    )


def test_greedy(submission):
    """Whole texts, with and without an end, equal to generate's."""
    prompt = ids_of(8, 3, 4)
    plain = reference(prompt, max_new_tokens=12).sequences
    eos_ids = [None, *sorted({int(plain[0, 6]), int(plain[1, 8]), int(plain[2, 5])})]

    def choose(logits, ids):
        return submission.greedy(logits)

    for eos in eos_ids:
        ends = {} if eos is None else {"eos_token_id": eos, "pad_token_id": eos}
        expected = reference(prompt, max_new_tokens=12, **ends).sequences
        got = call("greedy", submission.generate, next_logits, prompt, 12, choose, eos_id=eos)
        got = torch.as_tensor(got)
        assert got.shape == expected.shape and torch.equal(got, expected), say(
            f"greedy with eos_id={eos}: {got.tolist()}, but generate gives {expected.tolist()}",
            f"贪心，eos_id={eos}：得到 {got.tolist()}，而 generate 给出 {expected.tolist()}",
        )
    one = torch.tensor([[5, 5, 5, 5]])
    eos = int(plain[0, 4])
    got = submission.generate(lambda ids: torch.eye(VOCAB)[[eos] * len(ids)], one, 6, choose, eos)
    assert len(got[0]) == 5, say(
        f"every row ended at the first step, and {len(got[0]) - 4} ids were appended",
        f"所有行在第一步就已结束，却追加了 {len(got[0]) - 4} 个 id",
    )


def test_beam_search(submission, figures):
    figures["compared"] = 0
    prompt = ids_of(9, 1, 4)
    for beams, alpha, eos in [
        (b, a, e) for b in (2, 3, 4) for a in (0.0, 1.0, 2.0) for e in (None, *range(0, VOCAB, 5))
    ]:
        ends = {} if eos is None else {"eos_token_id": eos, "pad_token_id": eos}
        # "never": no beam is given up that could still win, so the result hangs on no heuristic.
        expected = reference(prompt, num_beams=beams, length_penalty=alpha, output_scores=True,
                             early_stopping="never", max_new_tokens=7, **ends)  # fmt: skip
        got, score = call("beam_search", submission.beam_search, next_logits, prompt, beams, 7,
                          eos_id=eos, length_penalty=alpha)  # fmt: skip
        check_beam((beams, alpha, eos), torch.as_tensor(got).flatten().tolist(), score, expected)
        figures["compared"] += 1


def check_beam(settings, got, score, expected):
    beams, alpha, eos = settings
    named = f"num_beams={beams}, length_penalty={alpha:g}, eos_id={eos}"
    ids = expected.sequences[0].tolist()
    assert got == ids, say(
        f"{named}: {got}, but generate gives {ids}", f"{named}：得到 {got}，而 generate 给出 {ids}"
    )
    wanted = expected.sequences_scores[0].item()
    assert abs(float(score) - wanted) < 1e-3, say(
        f"{named}: the ids are right, the score is {float(score):.4f} and must be {wanted:.4f}",
        f"{named}：ids 正确，但分数是 {float(score):.4f}，应为 {wanted:.4f}",
    )
