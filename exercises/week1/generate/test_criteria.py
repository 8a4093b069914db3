"""Criteria of week1/generate: one causal LM read in three ways, one property each.

The loops run on small random models too: a GPT-2, whose positions are absolute, and a Llama.
"""

from __future__ import annotations

import copy
import math
from contextlib import contextmanager
from functools import cache

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

OPENINGS = ("The old clock in the hall", "Rain", "When the museum opened its doors on Monday,")
QUESTION = "What is the capital of France?"
PARAGRAPH = (
    "The ferry crosses the bay four times a day. In winter it carries mostly letters and bread; "
    "in summer the deck is full of bicycles, and the captain has to send half of them back."
)


@cache
def base():
    model, tokenizer = lab.load_base("float32")
    return model.eval(), tokenizer


@cache
def small(kind: str, vocabulary: int = 61):
    """A random model with large weights: its greedy path wanders, and depends on positions."""
    torch.manual_seed(11)
    if kind == "gpt2":
        config = GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=vocabulary,
                            initializer_range=0.4, bos_token_id=0, eos_token_id=0)  # fmt: skip
        model = GPT2LMHeadModel(config)
    else:
        config = LlamaConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                             num_key_value_heads=2, intermediate_size=64, vocab_size=vocabulary,
                             initializer_range=0.4)  # fmt: skip
        model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = None
    return model.eval()


@torch.no_grad()
def path_of(model, ids, length, eos=None):
    """The grader's greedy path, by transformers' generate."""
    row = torch.tensor([ids])
    out = model.generate(
        row, attention_mask=torch.ones_like(row), max_new_tokens=length, do_sample=False,
        eos_token_id=eos, pad_token_id=0,
    )  # fmt: skip
    return out[0, len(ids) :].tolist()


@contextmanager
def by_hand(model):
    """Within this, model.generate is not to be had."""

    def refuse(*_, **__):
        pytest.fail(
            say(
                "model.generate was called; the loop is what you write here",
                "调用了 model.generate；这里要写的正是这个循环",
            )
        )

    model.generate = refuse
    try:
        yield
    finally:
        del model.generate


@contextmanager
def tokens_through(model):
    """Count the tokens that go through the model, at its table of tokens."""
    calls: list[int] = []
    table = model.get_input_embeddings()
    handle = table.register_forward_hook(lambda _, args, out: calls.append(args[0].numel()))
    try:
        yield calls
    finally:
        handle.remove()


def as_list(value) -> list[int]:
    """Ids as a plain list, whatever holds them; a batch of one is its row."""
    value = value.tolist() if isinstance(value, torch.Tensor) else list(value)
    return value[0] if len(value) == 1 and isinstance(value[0], list) else value


def cases(real: bool):
    """(name, model, ids, new tokens): two small models, and the real one if wanted."""
    yield "gpt2", small("gpt2"), [5, 17, 3, 42, 8], 14
    yield "llama", small("llama"), [9, 30, 2], 14
    if real:
        model, tokenizer = base()
        yield "SmolLM2", model, tokenizer(OPENINGS[2])["input_ids"], 5


def check_ids(name, ids, got, expected):
    assert got == expected, say(
        f"{name}, prompt of {len(ids)} ids: you write {got}, the model {expected}",
        f"{name}，提示有 {len(ids)} 个 id：你写出 {got}，模型写出 {expected}",
    )


def test_greedy(submission):
    for name, model, ids, length in cases(real=True):
        expected = path_of(model, ids, length)
        with by_hand(model):
            given = list(ids)
            got = as_list(call("greedy", submission.greedy, model, given, length, -1))
        check_ids(name, ids, got, expected)
        assert given == ids, say(
            f"the prompt's own list was changed: it had {len(ids)} ids and has {len(given)}",
            f"传入的提示列表被改动了：原有 {len(ids)} 个 id，现在有 {len(given)} 个",
        )


def test_stops(submission):
    for kind, ids in (("gpt2", [5, 17, 3, 42, 8]), ("llama", [9, 30, 2])):
        model = small(kind)
        path = path_of(model, ids, 14)
        for eos in (path[0], path[4], -1):
            expected = path[: path.index(eos) + 1] if eos in path else path
            for function in (submission.greedy, submission.greedy_cached):
                got = as_list(call("stops", function, model, list(ids), len(path), eos))
                assert got == expected, say(
                    f"{function.__name__} with EOS {eos} and max_new_tokens {len(path)} writes "
                    f"{len(got)} ids, {got}; it must be {len(expected)}, {expected}",
                    f"{function.__name__}，EOS 为 {eos}、max_new_tokens 为 {len(path)} 时写出 "
                    f"{len(got)} 个 id：{got}；应为 {len(expected)} 个：{expected}",
                )


def test_kv_cache(submission, figures):
    for name, model, ids, length in cases(real=False):
        expected = path_of(model, ids, length)
        with by_hand(model), tokens_through(model) as calls:
            got = as_list(call("kv_cache", submission.greedy_cached, model, list(ids), length, -1))
        check_ids(name, ids, got, expected)
        figures["tokens_through"] = sum(calls)
        # The last new token may or may not be fed; nobody reads what it would predict.
        assert sum(calls) <= len(ids) + length, say(
            f"{name}: a prompt of {len(ids)} and {length} new tokens sent {sum(calls)} tokens "
            f"through the model ({', '.join(map(str, calls))}); with a cache {len(ids)} and then "
            "one at a time are enough",
            f"{name}：提示 {len(ids)} 个、新写 {length} 个 token，却有 {sum(calls)} 个 token "
            f"过了模型（{'、'.join(map(str, calls))}）；用缓存只需先 {len(ids)} 个，之后每次一个",
        )


def test_chat_prompt(submission):
    _, tokenizer = base()
    for question in (QUESTION, "Name three rivers, please."):
        expected = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=True
        )["input_ids"]
        got = as_list(call("chat_prompt", submission.chat_ids, tokenizer, question))
        assert got == expected, say(
            f"your prompt for {question!r} ends in {tokenizer.decode(got[-8:])!r} "
            f"({len(got)} ids); the template gives {len(expected)} ids, the last of them "
            f"{tokenizer.decode(expected[-8:])!r}",
            f"你给 {question!r} 的提示以 {tokenizer.decode(got[-8:])!r} 结尾（{len(got)} 个 id）；"
            f"按模板应有 {len(expected)} 个 id，结尾是 {tokenizer.decode(expected[-8:])!r}",
        )


def test_answer(submission):
    model, tokenizer = base()
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_dict=True
    )["input_ids"]
    new = path_of(model, prompt, 24, tokenizer.eos_token_id)
    expected = tokenizer.decode(new, skip_special_tokens=True).strip()
    with by_hand(model):
        got = call("answer", submission.answer, model, tokenizer, QUESTION, max_new_tokens=24)
    assert isinstance(got, str) and got.strip() == expected, say(
        f"to {QUESTION!r} you return {got!r}; the model's answer is {expected!r}",
        f"对 {QUESTION!r} 你返回 {got!r}；模型的回答是 {expected!r}",
    )


@torch.no_grad()
def reference_log_probs(model, ids):
    """By cross-entropy, one prefix at a time: (T - 1,)."""
    logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].double()
    return -torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")


def test_log_probs(submission, figures):
    model, tokenizer = base()
    torch.manual_seed(5)
    wide = torch.randint(61, (60,)).tolist()
    # The random model is sure of itself: some probabilities are too small for float32.
    for name, each, ids in (
        ("SmolLM2", model, tokenizer(PARAGRAPH)["input_ids"]),
        ("gpt2", sure(), wide),
    ):
        expected = reference_log_probs(each, ids)
        got = call("log_probs", submission.token_log_probs, each, list(ids))
        got = torch.as_tensor(got).detach().flatten().double()
        assert len(got) == len(expected), say(
            f"{name}: for {len(ids)} tokens you return {len(got)} values; "
            f"{len(expected)} tokens have something before them",
            f"{name}：{len(ids)} 个 token，你返回 {len(got)} 个值；"
            f"其中有前文的 token 是 {len(expected)} 个",
        )
        worst = (got - expected).abs().nan_to_num(nan=math.inf).argmax().item()
        figures[f"mean_{name}"] = got.mean().item()
        assert got[worst].item() == pytest.approx(expected[worst].item(), abs=2e-3), say(
            f"{name}: for token {worst + 1} you say {got[worst]:.3f}; given the tokens before it "
            f"its log-probability is {expected[worst]:.3f}",
            f"{name}：第 {worst + 1} 个 token 你给出 {got[worst]:.3f}；"
            f"给定前文，它的对数概率是 {expected[worst]:.3f}",
        )


@cache
def sure():
    """A small model so sure of itself that some probabilities are below float32's smallest."""
    model = copy.deepcopy(small("gpt2"))
    model.transformer.ln_f.weight.data *= 40
    return model


def reference_perplexity(model, ids, window, stride):
    """Token by token: each is scored in the first window that reaches it."""
    total = 0.0
    for i in range(1, len(ids)):
        begin = max(0, math.ceil((i + 1 - window) / stride)) * stride
        end = min(begin + window, len(ids))
        total -= windowed(model, tuple(ids[begin:end]))[i - begin - 1].item()
    return math.exp(total / (len(ids) - 1))


@cache
def windowed(model, ids):
    return reference_log_probs(model, list(ids))


def check_perplexity(criterion, submission, name, model, ids, window, stride):
    expected = reference_perplexity(model, ids, window, stride)
    got = float(call(criterion, submission.perplexity, model, list(ids), window, stride))
    assert got == pytest.approx(expected, rel=1e-3), say(
        f"{name}, {len(ids)} tokens, window {window}, stride {stride}: you say {got:.5g}; "
        f"the perplexity is {expected:.5g}",
        f"{name}，{len(ids)} 个 token，window {window}，stride {stride}：你给出 {got:.5g}；"
        f"困惑度应为 {expected:.5g}",
    )
    return got


def test_perplexity(submission, figures):
    model, tokenizer = base()
    text = tokenizer(PARAGRAPH)["input_ids"]
    figures["perplexity"] = check_perplexity(
        "perplexity", submission, "SmolLM2", model, text, 1024, 512
    )
    check_perplexity("perplexity", submission, "mild gpt2", mild(), [7, 40, 3, 3, 21], 5, 2)


@cache
def mild():
    """A small GPT-2 of 24 positions whose perplexities are numbers of a readable size."""
    torch.manual_seed(2)
    config = GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=24, vocab_size=61, bos_token_id=0, eos_token_id=0,
                        initializer_range=0.15)  # fmt: skip
    return GPT2LMHeadModel(config).eval()


def test_sliding_window(submission):
    torch.manual_seed(9)
    ids = torch.randint(61, (83,)).tolist()
    for window, stride, length in ((24, 12, 83), (24, 23, 83), (10, 3, 41), (16, 8, 24)):
        check_perplexity("sliding_window", submission, "gpt2", mild(), ids[:length], window, stride)


def test_left_padding(submission):
    _, tokenizer = base()
    wide = small("gpt2", len(tokenizer))
    check_batch(submission, "gpt2", wide, tokenizer, 8)
    # A token that one row writes on its way, as the EOS: rows end at different times.
    path = path_of(wide, tokenizer(OPENINGS[0])["input_ids"], 8)
    eos = tokenizer.eos_token
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(path[3])
    try:
        check_batch(submission, "gpt2", wide, tokenizer, 8)
    finally:
        tokenizer.eos_token = eos


def check_batch(submission, name, model, tokenizer, length):
    prompts = list(OPENINGS)
    expected = [
        path_of(model, tokenizer(text)["input_ids"], length, tokenizer.eos_token_id)
        for text in prompts
    ]
    with by_hand(model), tokens_through(model) as calls:
        got = call("left_padding", submission.greedy_batch, model, tokenizer, prompts, length)
    assert len(got) == len(prompts), say(
        f"{name}: {len(prompts)} prompts, {len(got)} rows back",
        f"{name}：传入 {len(prompts)} 条提示，返回 {len(got)} 行",
    )
    for text, row, alone in zip(prompts, map(list, got), expected, strict=True):
        row = [int(token) for token in row]
        assert row == alone, say(
            f"{name}, EOS {tokenizer.eos_token_id}: in the batch {text!r} goes on with {row}, "
            f"alone with {alone}",
            f"{name}，EOS {tokenizer.eos_token_id}：{text!r} 在批量中续写 {row}，单独续写 {alone}",
        )
    # One more feeds the last tokens too, which nobody asks about.
    assert len(calls) <= length + 1, say(
        f"{name}: {len(prompts)} prompts and {length} new tokens each took {len(calls)} forward "
        f"passes; all rows in one batch, {length} are enough",
        f"{name}：{len(prompts)} 条提示各写 {length} 个新 token，用了 {len(calls)} 次前向；"
        f"所有行放在同一个批次里，{length} 次就够",
    )
