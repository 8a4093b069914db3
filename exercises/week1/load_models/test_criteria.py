"""Criteria of week1/load_models: two models from the inside, one property each.

Where random weights show the same, small random models are used: they take milliseconds.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

from exercises import lab
from exercises.gap import call
from tutor.base.i18n import say

TEXTS = (
    "The curator hung the small painting beside the window on Monday.",
    "Rain.",
    "Nobody at the station knew why the last train to the coast had left ten minutes early.",
)
BERTS = (
    {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "vocab_size": 101,
     "intermediate_size": 56, "max_position_embeddings": 40, "type_vocab_size": 3},
    {"hidden_size": 32, "num_hidden_layers": 5, "num_attention_heads": 4, "vocab_size": 67,
     "intermediate_size": 80, "max_position_embeddings": 96, "type_vocab_size": 2},
)  # fmt: skip
LLAMA = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 6, "head_dim": 8,
         "num_key_value_heads": 2, "intermediate_size": 40, "vocab_size": 53}  # fmt: skip
LLAMAS = (
    LLAMA | {"num_key_value_heads": 6, "head_dim": 4, "tie_word_embeddings": False},
    LLAMA | {"tie_word_embeddings": False},
    LLAMA | {"tie_word_embeddings": True},
)


@cache
def encoder():
    model, tokenizer = lab.load_encoder()
    return model.eval(), tokenizer


@cache
def small_llama(vocabulary: int = 53, tied: bool = True):
    torch.manual_seed(3)
    config = LLAMA | {"vocab_size": vocabulary, "tie_word_embeddings": tied}
    return LlamaForCausalLM(LlamaConfig(**config)).eval()


@cache
def maps_of(kind: str) -> torch.Tensor:
    """Attention maps by the grader: of the encoder, or of a small causal LM."""
    model, tokenizer = encoder()
    if kind == "causal":
        model = small_llama(len(tokenizer))
    model.set_attn_implementation("eager")
    inputs = tokenizer(TEXTS[2], return_tensors="pt")
    with torch.no_grad():
        output = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            output_attentions=True,
        )
    return torch.cat(output.attentions)


@cache
def causal_tokenizer():
    """The encoder's tokenizer, without the segment ids that only BERT takes."""
    names = ["input_ids", "attention_mask"]
    return AutoTokenizer.from_pretrained(lab.encoder_folder(), model_input_names=names)


def test_loads(submission):
    loaded = call("loads", submission.load_models)
    assert isinstance(loaded, tuple | list) and len(loaded) == 4, say(
        f"load_models returns {_what(loaded)}, not (encoder, tokenizer, causal LM, tokenizer)",
        f"load_models 返回的是 {_what(loaded)}，而不是 (编码器, 分词器, 因果语言模型, 分词器)",
    )
    model, tokenizer, lm, lm_tokenizer = loaded
    reference, _ = encoder()
    inputs = tokenizer(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
        expected = reference(**inputs).last_hidden_state
    assert "last_hidden_state" in output, say(
        f"the encoder is a {type(model).__name__}: its output has {', '.join(output)} but no "
        "last_hidden_state. That class put a head on it, with weights that no file holds",
        f"编码器是 {type(model).__name__}：输出里有 {'、'.join(output)}，没有 last_hidden_state。"
        "这个类接上了一个头，而头的权重在文件里并不存在",
    )
    difference = (output.last_hidden_state.float() - expected).abs().max().item()
    assert difference < 1e-4, say(
        f"the encoder's last hidden state differs from the file's by {difference:.2g}: other "
        "weights, another dtype, or dropout still on",
        f"编码器最后的 hidden state 与文件里的模型相差 {difference:.2g}："
        "权重不同、dtype 不同，或 dropout 没有关掉",
    )
    with torch.no_grad():
        output = lm(**lm_tokenizer("Once upon", return_tensors="pt"))
    assert "logits" in output, say(
        f"the causal LM is a {type(lm).__name__}, whose output has no logits",
        f"因果语言模型是 {type(lm).__name__}，它的输出没有 logits",
    )
    for name, each in ((say("encoder", "编码器"), model), (say("causal LM", "因果语言模型"), lm)):
        kinds = {p.dtype for p in each.parameters()}
        assert kinds == {torch.float32}, say(
            f"the {name} has parameters in {', '.join(map(str, kinds))}; asked for is float32",
            f"{name}的参数是 {'、'.join(map(str, kinds))}；要求 float32",
        )


def test_shapes(submission):
    model, tokenizer = encoder()
    batch = tokenizer(list(TEXTS), padding=True)["input_ids"]
    size = (len(TEXTS), len(batch[0]))
    lm = small_llama(len(tokenizer))
    for each, tokenize in ((model, tokenizer), (lm, causal_tokenizer())):
        config = each.config
        layers = config.num_hidden_layers + 1
        expected = {"input_ids": size, "hidden_states": (layers, *size, config.hidden_size)}
        if each is lm:
            expected["logits"] = (*size, config.vocab_size)
        got = call("shapes", submission.shapes, each, tokenize, list(TEXTS))
        got = {name: tuple(shape) for name, shape in got.items()}
        assert got == expected, say(
            f"{type(each).__name__} with {config.num_hidden_layers} blocks, 3 texts of at most "
            f"{size[1]} tokens: you say {got}; it must be {expected}",
            f"{type(each).__name__} 有 {config.num_hidden_layers} 个块，3 段文本最长 {size[1]} 个 "
            f"token：你给出 {got}；应为 {expected}",
        )


def test_count(submission, figures):
    bert = BertModel(BertConfig(**BERTS[0]))
    bert.get_input_embeddings().requires_grad_(False)  # frozen parameters are parameters
    for name, model in (
        ("tied", small_llama(53, tied=True)),
        ("untied", small_llama(53, tied=False)),
        ("frozen", bert),
    ):
        table = model.get_input_embeddings().weight.numel()
        expected = (len_of(model), table)
        got = tuple(call("count", submission.count, model))
        figures[f"{name}_total"] = got[0]
        assert got == expected, say(
            f"{type(model).__name__} ({name} table): you count {got}; it has {expected[0]} "
            f"parameters, {expected[1]} of them in the table of tokens",
            f"{type(model).__name__}（{name}）：你数出 {got}；实际有 {expected[0]} 个参数，"
            f"其中 token 表 {expected[1]} 个",
        )


def len_of(model) -> int:
    """The numbers that the model's distinct parameters hold."""
    return sum({id(p): p.numel() for p in model.parameters()}.values())


def bare(config):
    """The configuration's fields and nothing else: no model can be built from it."""
    return SimpleNamespace(**config.to_dict())


def test_encoder_formula(submission, figures):
    for settings in BERTS:
        config = BertConfig(**settings)
        check_formula("encoder_formula", submission.encoder_parameters, config, BertModel(config))
    model, _ = encoder()
    check_formula("encoder_formula", submission.encoder_parameters, model.config, model)
    figures["parameters"] = len_of(model)


def test_causal_formula(submission):
    for settings in LLAMAS:
        config = LlamaConfig(**settings)
        model = LlamaForCausalLM(config)
        check_formula("causal_formula", submission.causal_parameters, config, model)


def check_formula(criterion, formula, config, model):
    got, expected = call(criterion, formula, bare(config)), len_of(model)
    shown = f"hidden_size {config.hidden_size}, num_hidden_layers {config.num_hidden_layers}"
    if config.model_type == "llama":
        shown += (
            f", num_attention_heads {config.num_attention_heads}, head_dim {config.head_dim}, "
            f"num_key_value_heads {config.num_key_value_heads}, "
            f"tie_word_embeddings {config.tie_word_embeddings}"
        )
    assert got == expected, say(
        f"{shown}: your formula gives {got:,}; the model has {expected:,}, "
        f"a difference of {got - expected:+,}",
        f"{shown}：你的公式算出 {got:,}；模型有 {expected:,}，相差 {got - expected:+,}",
    )


def test_attention_maps(submission):
    model, tokenizer = encoder()
    cases = (
        ("encoder", model, tokenizer),
        ("causal", small_llama(len(tokenizer)), causal_tokenizer()),
    )
    for kind, each, tokenize in cases:
        expected = maps_of(kind)
        each.set_attn_implementation("sdpa")  # what from_pretrained gives by default
        got = call("attention_maps", submission.attention_maps, each, tokenize, TEXTS[2])
        assert isinstance(got, torch.Tensor) and got.shape == expected.shape, say(
            f"{kind}: you return {_what(got)}; asked for is one tensor {tuple(expected.shape)}",
            f"{kind}：你返回 {_what(got)}；要求一个 {tuple(expected.shape)} 的张量",
        )
        sums = got.sum(dim=-1)
        assert torch.allclose(sums, torch.ones_like(sums), atol=1e-4), say(
            f"{kind}: rows sum to between {sums.min():.3f} and {sums.max():.3f}; "
            "each query's weights sum to 1",
            f"{kind}：各行之和在 {sums.min():.3f} 到 {sums.max():.3f} 之间；"
            "每个 query 的权重之和应为 1",
        )
        difference = (got - expected).abs().max().item()
        assert difference < 1e-4, say(
            f"{kind}: the maps differ from the model's by up to {difference:.2g}",
            f"{kind}：注意力图与模型的相差达 {difference:.2g}",
        )


def test_later_tokens(submission, figures):
    even = torch.full((2, 3, 4, 4), 0.25)  # rows of 3, 2, 1 and 0 later tokens
    for name, maps in (
        ("even", even),
        ("causal", maps_of("causal")),
        ("encoder", maps_of("encoder")),
    ):
        later = torch.arange(maps.shape[-1])[None, :] > torch.arange(maps.shape[-1])[:, None]
        expected = (maps * later).sum().item() / (maps.shape[0] * maps.shape[1] * maps.shape[2])
        got = float(call("later_tokens", submission.weight_on_later_tokens, maps.clone()))
        figures[name] = got
        assert got == pytest.approx(expected, abs=1e-4), say(
            f"{name} maps of {maps.shape[-1]} tokens: you say {got:.4f}; queries give "
            f"{expected:.4f} of their attention to later tokens",
            f"{name} 注意力图（{maps.shape[-1]} 个 token）：你给出 {got:.4f}；"
            f"query 实际把 {expected:.4f} 的注意力给了后面的 token",
        )


def planted(layers, heads, tokens, layer, head):
    """Random maps in which one head looks at the previous token, and another at the next."""
    torch.manual_seed(layers * heads)
    scores = torch.randn(layers, heads, tokens, tokens)
    places = torch.arange(tokens - 1)
    scores[layer, head, places + 1, places] += 4
    scores[layer - 1, head - 1, places, places + 1] += 6
    scores[layer - 1, head, 3, 2] += 30  # one row alone is no habit
    return scores.softmax(dim=-1)


def test_previous_token_head(submission, figures):
    cases = [(planted(3, 5, 9, 2, 1), (2, 1)), (planted(7, 4, 12, 4, 3), (4, 3))]
    for maps, place in [*cases, (maps_of("encoder"), None)]:
        tokens = torch.arange(1, maps.shape[-1])
        mean = maps[:, :, tokens, tokens - 1].mean(dim=-1)
        layer, head = place or divmod(mean.argmax().item(), maps.shape[1])
        got = call("previous_token_head", submission.previous_token_head, maps.clone())
        shown = tuple(round(float(x), 4) for x in got)
        figures["weight"] = shown[2]
        assert tuple(shown[:2]) == (layer, head), say(
            f"maps {tuple(maps.shape)}: you name layer {shown[0]:g}, head {shown[1]:g}; it is "
            f"layer {layer}, head {head}, with a mean weight of {mean[layer, head]:.3f}",
            f"注意力图 {tuple(maps.shape)}：你给出第 {shown[0]:g} 层第 {shown[1]:g} 个头；应为第 "
            f"{layer} 层第 {head} 个头，平均权重 {mean[layer, head]:.3f}",
        )
        assert shown[2] == pytest.approx(mean[layer, head].item(), abs=1e-3), say(
            f"layer {layer}, head {head}: you say a weight of {shown[2]:.4f}; the mean over the "
            f"{len(tokens)} tokens that have one before them is {mean[layer, head]:.4f}",
            f"第 {layer} 层第 {head} 个头：你给出权重 {shown[2]:.4f}；对有前一个 token 的 "
            f"{len(tokens)} 个位置取平均应为 {mean[layer, head]:.4f}",
        )


def test_sentence_embeddings(submission, figures):
    model, tokenizer = encoder()
    got = call("sentence_embeddings", submission.sentence_embeddings, model, tokenizer, list(TEXTS))
    size = (len(TEXTS), model.config.hidden_size)
    assert isinstance(got, torch.Tensor) and tuple(got.shape) == size, say(
        f"for {len(TEXTS)} texts you return {_what(got)}; asked for is a tensor {size}",
        f"{len(TEXTS)} 段文本，你返回 {_what(got)}；要求形状为 {size} 的张量",
    )
    lengths = got.norm(dim=-1)
    assert torch.allclose(lengths, torch.ones(len(TEXTS)), atol=1e-3), say(
        f"the vectors have lengths {', '.join(f'{x:.3f}' for x in lengths)}, not 1",
        f"各向量的长度是 {'、'.join(f'{x:.3f}' for x in lengths)}，不是 1",
    )
    for text, vector in zip(TEXTS, got, strict=True):
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        alone = torch.nn.functional.normalize(hidden.mean(dim=0), dim=-1)
        cosine = (vector @ alone).item()
        figures["least_cosine"] = min(cosine, figures.get("least_cosine", 1.0))
        assert cosine > 0.9999, say(
            f"{text!r}: your vector has a cosine of {cosine:.4f} with the mean over its own "
            f"{len(hidden)} tokens",
            f"{text!r}：你的向量与它自己 {len(hidden)} 个 token 的平均向量，余弦为 {cosine:.4f}",
        )


def _what(value) -> str:
    """Name what was returned, with its shape or its length."""
    if isinstance(value, torch.Tensor):
        return say(f"a tensor {tuple(value.shape)}", f"形状为 {tuple(value.shape)} 的张量")
    name = type(value).__name__
    if isinstance(value, tuple | list):
        return say(f"a {name} of {len(value)}", f"长度为 {len(value)} 的 {name}")
    return name
