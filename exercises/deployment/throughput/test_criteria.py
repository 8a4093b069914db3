"""Criteria of deployment/throughput: a scripted model with a clock of its own shows every pass;
a small GPT-2 and the 135M show whether a batch changes what comes out."""

from __future__ import annotations

import math
from functools import cache
from types import SimpleNamespace

import pytest
import torch

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

EOS, PAD, LOST, VOCAB = 1, 3, 99, 100
PREFILL_S, COLUMN_S, STEP_S = 2.0, 0.25, 0.125
"""The scripted model's clock: a first pass takes PREFILL_S and COLUMN_S a column, a later one
STEP_S a row."""
SCRIPT = {
    (10, 11, 12, 13, 14): (20, 21, 22, 23, 24, 25, 26, 27),
    (15, PAD, 16): (30, 31, EOS, 32, 33, 34, 35, 36),
    (17,): (40, EOS, 41, 42, 43, 44, 45, 46),
    (18, 19): (50, 51, 52, 53, EOS, 54, 55, 56),
}


class Scripted:
    """Recites SCRIPT to whoever calls it as a causal LM should be called, and LOST to others.

    A row is known by its prompt: what the first pass's mask left in. calls: what each pass got.
    """

    training = False
    device, dtype = torch.device("cpu"), torch.float32
    config = SimpleNamespace(pad_token_id=PAD, eos_token_id=EOS, use_cache=True)

    def __init__(self):
        self.calls, self.now = [], 100.0

    def clock(self):
        return self.now

    def eval(self):
        return self

    def parameters(self):
        return iter([torch.zeros(1)])

    def __call__(self, input_ids, attention_mask=None, position_ids=None, past_key_values=None,
                 use_cache=None, **_):  # fmt: skip
        past = past_key_values
        ids = input_ids if past is None else torch.cat([past.ids, input_ids], -1)
        mask = torch.ones_like(ids) if attention_mask is None else attention_mask
        rows, columns = input_ids.shape
        self.now += PREFILL_S + COLUMN_S * columns if past is None else STEP_S * rows
        self.calls.append(SimpleNamespace(ids=input_ids.clone(), mask=mask.clone(), past=past,
                                          positions=position_ids, width=ids.shape[1]))  # fmt: skip
        width = ids.shape[1] if past is None else past.prompt_width
        logits = torch.zeros(rows, columns, VOCAB)
        logits[..., LOST - 1] = 1.0  # what stands in any but the last column is of no use
        for row in range(rows):
            logits[row, -1] = 0
            logits[row, -1, self._next(ids[row], mask[row], width)] = 1.0
        cached = SimpleNamespace(ids=ids.clone(), prompt_width=width,
                                 get_seq_length=lambda *_: ids.shape[1])  # fmt: skip
        return SimpleNamespace(logits=logits, past_key_values=cached)

    def _next(self, ids, mask, width):
        if len(mask) != len(ids) or not mask[width - 1]:
            return LOST
        prompt = tuple(ids[:width][mask[:width] == 1].tolist())
        written = tuple(ids[width:].tolist())
        script = SCRIPT.get(prompt, ())
        if EOS in written:
            return LOST  # what follows the end is nothing
        known = len(written) < len(script) and written == script[: len(written)]
        return script[len(written)] if known else LOST


def run(submission, criterion, prompts=None, limit=6):
    model = Scripted()
    prompts = [list(prompt) for prompt in (prompts or SCRIPT)]
    found = call(criterion, submission.generate, model, prompts, limit, EOS, PAD, model.clock)
    return model, found


def test_left_padding(submission):
    for prompts in ([[5, 6, 7], [8], [9, 4]], [[2]], [[7, 0, 7, 0], [0, 0]]):
        got = call("left_padding", submission.pad_left, prompts, 0)
        ids, mask, positions = (torch.as_tensor(part).tolist() for part in got)
        longest = max(map(len, prompts))
        pads = [longest - len(prompt) for prompt in prompts]
        wanted = [[0] * pad + prompt for pad, prompt in zip(pads, prompts, strict=True)]
        assert ids == wanted, say(
            f"{prompts} becomes {ids}, not {wanted}", f"{prompts} 变成了 {ids}，应为 {wanted}"
        )
        wanted = [[0] * pad + [1] * (longest - pad) for pad in pads]
        assert mask == wanted, say(
            f"the attention mask of {prompts} is {mask}, not {wanted}",
            f"{prompts} 的注意力掩码是 {mask}，应为 {wanted}",
        )
        for prompt, pad, row in zip(prompts, pads, positions, strict=True):
            assert row[pad:] == list(range(len(prompt))), say(
                f"the prompt {prompt} behind {pad} padding tokens has positions {row[pad:]}; its "
                "own first token has position 0",
                f"提示 {prompt} 前面有 {pad} 个填充，位置是 {row[pad:]}；它自己的第一个 token 位置应为 0",
            )


def test_cache(submission, figures):
    model, _ = run(submission, "cache")
    shapes = [tuple(one.ids.shape) for one in model.calls]
    figures |= {"passes": len(shapes), "columns": sum(width for _, width in shapes)}
    wanted = [(4, 5)] + [(4, 1)] * 5
    assert shapes == wanted, say(
        f"for 6 new tokens after prompts of at most 5 the passes took inputs of {shapes}; with a "
        f"cache it is {wanted}: {sum(w for _, w in shapes)} columns in place of 10",
        f"提示最长 5、生成 6 个 token，各次前向的输入是 {shapes}；用缓存应为 {wanted}："
        f"算了 {sum(w for _, w in shapes)} 列，而不是 10 列",
    )
    without = [n for n, one in enumerate(model.calls[1:], 2) if one.past is None]
    assert not without, say(
        f"passes {without} got no past_key_values: the model saw one token and no prompt",
        f"第 {without} 次前向没有 past_key_values：模型只看到一个 token，看不到提示",
    )
    fed = [one.ids[0].tolist() for one in model.calls[1:]]
    assert fed == [[token] for token in (20, 21, 22, 23, 24)], say(
        f"row 1 wrote 20, 21, 22, …; the passes after it were fed {fed}",
        f"第 1 行依次写出 20、21、22……；之后各次前向喂入的却是 {fed}",
    )


def test_decode_inputs(submission):
    model, _ = run(submission, "decode_inputs")
    lengths = [len(prompt) for prompt in SCRIPT]
    ends = [script.index(EOS) if EOS in script else 99 for script in SCRIPT.values()]
    assert len(model.calls) > 1, say("there was no decode pass", "没有进行任何解码")
    for step, one in enumerate(model.calls[1:]):
        assert one.mask.shape[1] == one.width, say(
            f"decode pass {step + 1} has a mask of {one.mask.shape[1]} columns; cache and new "
            f"column make {one.width}",
            f"第 {step + 1} 次解码的掩码有 {one.mask.shape[1]} 列；缓存加新列应为 {one.width} 列",
        )
        for row, (length, end) in enumerate(zip(lengths, ends, strict=True)):
            if step >= end:
                continue  # this row has ended; what it is fed is of no account
            seen = one.mask[row].tolist()
            wanted = [0] * (5 - length) + [1] * (length + step + 1)
            assert seen == wanted, say(
                f"decode pass {step + 1}, a prompt of {length}: the mask is {seen}, not {wanted}",
                f"第 {step + 1} 次解码，长度为 {length} 的提示：掩码是 {seen}，应为 {wanted}",
            )
            place = None if one.positions is None else one.positions.expand(4, 1)[row].tolist()
            assert place == [length + step], say(
                f"decode pass {step + 1}, a prompt of {length}: the new token's position is "
                f"{place}, not {[length + step]}",
                f"第 {step + 1} 次解码，长度为 {length} 的提示：新 token 的位置是 {place}，应为 "
                f"{[length + step]}",
            )


def test_stops(submission, figures):
    for limit in (6, 1, 3):
        model, found = run(submission, "stops", limit=limit)
        for (prompt, script), tokens in zip(SCRIPT.items(), found.tokens, strict=True):
            wanted = list(script[: script.index(EOS) + 1] if EOS in script else script)[:limit]
            assert list(tokens) == wanted, say(
                f"after {list(prompt)} and with max_new_tokens={limit} the new ids are "
                f"{list(tokens)}, not {wanted} ({EOS} is the end-of-text token)",
                f"提示 {list(prompt)}、max_new_tokens={limit} 时，新 id 是 {list(tokens)}，应为 {wanted}"
                f"（{EOS} 是结束符）",
            )
    model, _ = run(submission, "stops", list(SCRIPT)[1:3], 8)
    figures["passes"] = len(model.calls)
    assert len(model.calls) == 3, say(
        f"two rows end after 3 and 2 tokens; with max_new_tokens=8 there were {len(model.calls)} "
        "passes, not 3",
        f"两行分别在 3 个和 2 个 token 后结束；max_new_tokens=8 时前向了 {len(model.calls)} 次，应为 3 次",
    )


@cache
def small_gpt2():
    """Random weights, learned absolute positions, and predictions that differ from place to place."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(3)
    config = GPT2Config(vocab_size=VOCAB, n_positions=64, n_embd=32, n_layer=2, n_head=4,
                        initializer_range=0.4, bos_token_id=EOS, eos_token_id=EOS)  # fmt: skip
    return GPT2LMHeadModel(config).eval()


@torch.no_grad()
def single(model, prompt, limit, eos):
    """One prompt alone, greedily, with no padding."""
    ids, past, tokens = torch.tensor([prompt]), None, []
    while len(tokens) < limit and eos not in tokens:
        out = model(input_ids=ids, past_key_values=past, use_cache=True)
        past = out.past_key_values
        tokens.append(int(out.logits[0, -1].argmax()))
        ids = torch.tensor([tokens[-1:]])
    return tokens


# Chosen so that the best two logits are never closer than 0.1: no rounding decides.
TEXTS = (
    "The capital of France is",
    "LoRA freezes the pretrained weights and learns two small matrices for",
    "1 2 3 4 5 6",
    "<|im_start|>user\nSay only: yes<|im_end|>\n<|im_start|>assistant\n",
)


def test_equals_single(submission, figures):
    generator = torch.Generator().manual_seed(2)
    random = [torch.randint(4, VOCAB, (length,), generator=generator).tolist()
              for length in (3, 12, 1, 7, 20)]  # fmt: skip
    model, tokenizer = lab.load_base("float32")
    prompts = [tokenizer(text)["input_ids"] for text in TEXTS]
    cases = (("GPT-2", small_gpt2(), random, EOS, 12),
             ("SmolLM2-135M", model.eval(), prompts, tokenizer.eos_token_id, 10))  # fmt: skip
    for name, model, prompts, eos, limit in cases:
        wanted = [single(model, prompt, limit, eos) for prompt in prompts]
        found = call("equals_single", submission.generate, model, prompts, limit, eos, eos)
        for prompt, alone, together in zip(prompts, wanted, found.tokens, strict=True):
            same = next((n for n, (a, b) in enumerate(zip(alone, together, strict=False))
                         if a != b), min(len(alone), len(together)))  # fmt: skip
            figures[f"same_{name}"] = same
            assert list(together) == alone, say(
                f"{name}, a prompt of {len(prompt)} tokens: in the batch it continues "
                f"{list(together)}, alone {alone}; token {same + 1} is the first that differs",
                f"{name}，{len(prompt)} 个 token 的提示：批量续写为 {list(together)}，单独续写为 {alone}；"
                f"第 {same + 1} 个 token 开始不同",
            )


@pytest.fixture
def measured(submission, criterion):
    """Prompts, their Run by the grader's own count, and the learner's Speed of it."""

    def measured(prompts, tokens, prefill_s, decode_s):
        run = submission.Run(tokens, prefill_s, decode_s)
        return call(criterion, submission.speed, prompts, run)

    return measured


def test_counts(submission, measured, figures):
    found = measured([[1, 2, 3], [4], [5, 6]], [[7, 8, EOS], [9, 9, 9, 9], [EOS]], 1.0, 1.0)
    got = (found.prompt_tokens, found.new_tokens)
    assert got == (6, 8), say(
        "prompts of 3, 1 and 2 tokens, answers of 3, 4 and 1: counted were "
        f"{got[0]} and {got[1]}, not 6 and 8",
        f"提示为 3、1、2 个 token，回答为 3、4、1 个：计得 {got[0]} 和 {got[1]}，应为 6 和 8",
    )
    _, result = run(submission, "counts", limit=8)
    found = measured([list(prompt) for prompt in SCRIPT], result.tokens, 1.0, 1.0)
    figures |= {"prompt_tokens": found.prompt_tokens, "new_tokens": found.new_tokens}
    got = (found.prompt_tokens, found.new_tokens)
    assert got == (11, 18), say(
        f"after generate with a batch of 4 the counts are {got}: it is 11 (20 with padding) and "
        "18 (32 with what follows the ends)",
        f"用 4 条的批次生成之后，计数为 {got}；应为 11（含填充是 20）和 18（含结束之后的是 32）",
    )


def test_speeds(submission, measured, figures):
    _, result = run(submission, "speeds", limit=6)
    times = (result.prefill_s, result.decode_s)
    wanted = (PREFILL_S + 5 * COLUMN_S, 5 * 4 * STEP_S)
    assert times == pytest.approx(wanted), say(
        f"the clock moved {wanted[0]} s in the first pass and {wanted[1]} s in the five others; "
        f"prefill_s and decode_s are {times}",
        f"时钟在第一次前向走了 {wanted[0]} 秒，其余五次走了 {wanted[1]} 秒；prefill_s 和 decode_s 却是 {times}",
    )
    found = measured([[1] * 30, [2] * 20], [[5] * 9, [6] * 3], 2.0, 4.0)
    got = (found.prompt_tokens_per_s, found.decode_tokens_per_s, found.new_tokens_per_s)
    figures |= dict(zip(("prompt", "decode", "new"), got, strict=True))
    assert got == pytest.approx((25.0, 2.5, 2.0)), say(
        "50 prompt tokens in 2 s, 12 new ones, 10 of them from 4 s of decoding: the speeds are "
        f"{[round(x, 3) for x in got]}, not [25, 2.5, 2] (prompt, decode, new over both)",
        f"50 个提示 token 用 2 秒，新 token 12 个，其中 10 个来自 4 秒的解码：速度为 "
        f"{[round(x, 3) for x in got]}，应为 [25, 2.5, 2]（提示、解码、合计的新 token）",
    )
    found = measured([[1, 2]], [[EOS]], 0.5, 0.0)
    assert found.decode_tokens_per_s == 0, say(
        f"with no decode at all its speed is {found.decode_tokens_per_s}, not 0",
        f"根本没有解码时，解码速度是 {found.decode_tokens_per_s}，应为 0",
    )


def test_cost(submission, figures):
    for price, speed, use in ((2.0, 25.0, 1.0), (2.0, 1000.0, 0.2), (3.6, 1.0, 0.5)):
        got = call("cost", submission.cost_per_thousand, price, speed, use)
        wanted = price / (3.6 * speed * use)
        figures["cost"] = got
        assert math.isclose(got, wanted, rel_tol=1e-6), say(
            f"{price} an hour, {speed:g} tokens/s, utilization {use}: 1,000 tokens cost {got:.5g}; "
            f"it is {wanted:.5g}",
            f"每小时 {price}、每秒 {speed:g} 个 token、利用率 {use}：得到每千 token {got:.5g}，应为 {wanted:.5g}",
        )


def padding(lengths, batches):
    return sum(max(lengths[i] for i in b) - lengths[j] for b in batches for j in b)


def neighbours(lengths, size):
    """The padding of sorted batches, the short one last in rising or in falling order."""
    found = []
    for falling in (False, True):
        order = sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=falling)
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        found.append(padding(lengths, batches))
    return max(found)


def test_batches(submission, figures):
    for lengths, size in (
        ([9, 1, 8, 2, 7, 3, 12, 11, 10], 3),
        ([9, 1, 8, 2, 7, 3, 4], 3),
        ([5] * 8, 4),
        ([3, 1, 2], 16),
        ([], 4),
    ):
        got = call("batches", submission.plan, lengths, size)
        batches = [[int(i) for i in batch] for batch in got]
        once = sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
        few = len(batches) == -(-len(lengths) // size) and all(len(b) <= size for b in batches)
        assert once and few, say(
            f"lengths {lengths} in batches of {size}: {batches} does not hold each index once, in "
            f"{-(-len(lengths) // size)} batches",
            f"长度 {lengths}、每批 {size} 条：{batches} 没有让每个下标恰好出现一次，或批数不是 "
            f"{-(-len(lengths) // size)}",
        )
        figures["padding"] = padding(lengths, batches)
        assert figures["padding"] <= neighbours(lengths, size), say(
            f"lengths {lengths} in batches of {size}: {figures['padding']} padding tokens; sorted "
            f"by length it is {neighbours(lengths, size)}",
            f"长度 {lengths}、每批 {size} 条：填充了 {figures['padding']} 个 token；按长度排序后是 "
            f"{neighbours(lengths, size)}",
        )
    prompts = [list(prompt) for prompt in SCRIPT]
    model = Scripted()
    found = call("batches", submission.generate_all, model, prompts, 2, 4, EOS, PAD)
    wanted = [list(s[: s.index(EOS) + 1] if EOS in s else s)[:4] for s in SCRIPT.values()]
    assert [list(tokens) for tokens in found] == wanted, say(
        f"four prompts in batches of 2 give {found}; in the order of the prompts it is {wanted}",
        f"四条提示、每批 2 条，得到 {found}；按提示的顺序应为 {wanted}",
    )
    firsts = [one.ids.shape[1] for one in model.calls if one.past is None]
    assert sorted(firsts) == [2, 5], say(
        f"prompts of 5, 3, 1 and 2 tokens: the first passes are {firsts} columns wide, not 2 and 5",
        f"提示长 5、3、1、2：各批第一次前向的宽度是 {firsts}，应为 2 和 5",
    )
