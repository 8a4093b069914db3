"""Criteria of week5/adapters: the functions on a small Llama, and what the run left, loaded into
a fresh base and measured again."""

from __future__ import annotations

import copy
import gc
import json
from functools import cache

import torch

from exercises import lab
from exercises.chart import bars
from exercises.gap import call
from exercises.week5 import proof
from tutor.base.i18n import say

METHODS = ("full", "lora", "bottleneck")
# Measured with the solution: 3.99 before; 3.39, 3.44 and 3.47 after 10 steps.
LEAST_GAIN = 0.25
AGREE = 0.05
LAYERS, FEATURES = 3, 32


@cache
def _small():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = LlamaConfig(vocab_size=60, hidden_size=FEATURES, intermediate_size=48,
                        num_hidden_layers=LAYERS, num_attention_heads=2, initializer_range=0.2,
                        tie_word_embeddings=True, bos_token_id=None, eos_token_id=None,
                        pad_token_id=None)  # fmt: skip
    return LlamaForCausalLM(shape).eval()


def small():
    return copy.deepcopy(_small())


def batches(count=6):
    torch.manual_seed(4)
    ids = torch.randint(0, 60, (4, 9))
    return [{"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}] * count


def trains(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


def count(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_bottleneck(submission, figures):
    for features, width in ((24, 5), (40, 8)):
        torch.manual_seed(features)
        module = call("bottleneck", submission.Bottleneck, features, width)
        x = torch.randn(6, 3, features)
        figures["difference"] = (module(x) - x).abs().max().item()
        assert figures["difference"] == 0, say(
            f"a fresh Bottleneck({features}, {width}) changes its input by up to "
            f"{figures['difference']:.2g}; it must be the identity",
            f"刚创建的 Bottleneck({features}, {width}) 把输入改变了 {figures['difference']:.2g}；"
            "它应是恒等",
        )
        expected = 2 * features * width + features + width
        assert count(module) == expected, say(
            f"Bottleneck({features}, {width}) trains {count(module)} parameters; two linear "
            f"layers with biases have {expected}",
            f"Bottleneck({features}, {width}) 可训练参数为 {count(module)} 个；两个带偏置的线性层"
            f"应有 {expected} 个",
        )
        module(x).pow(2).sum().backward()
        alive = [n for n, p in module.named_parameters() if p.ndim == 2 and p.grad.any()]
        assert alive, say(
            "no matrix of a fresh Bottleneck gets a gradient: it can never learn. Only one of "
            "the two may start at zero",
            "刚创建的 Bottleneck 中没有一个矩阵得到梯度：永远学不会。两个矩阵只能有一个为零",
        )
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.randn_like(parameter))
        bend = (module(x) + module(-x) - 2 * module(0 * x)).abs().max().item()
        figures["bend"] = bend
        assert bend > 1e-2, say(
            f"the module is linear (it bends by {bend:.2g}): without an activation in the middle "
            "it is one matrix of low rank",
            f"该模块是线性的（弯曲量 {bend:.2g}）：中间没有激活函数，就只是一个低秩矩阵",
        )


def give(model, kind, vector):
    """Let every adapter give this vector, whatever goes in."""
    for module in model.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _m, _i, out: vector.expand_as(out))


def test_inserted(submission, figures):
    ids = torch.randint(0, 60, (2, 7), generator=torch.Generator().manual_seed(1))
    base = small()
    expected = base(input_ids=ids).logits
    model = call("inserted", submission.insert_bottlenecks, small(), 6)
    kind = submission.Bottleneck
    found = sum(isinstance(m, kind) for m in model.modules())
    figures["inserted"] = found
    assert found == 2 * LAYERS, say(
        f"{found} Bottlenecks in a model of {LAYERS} layers; two a layer are {2 * LAYERS}",
        f"{LAYERS} 层的模型中有 {found} 个 Bottleneck；每层两个应为 {2 * LAYERS} 个",
    )
    assert torch.equal(model.eval()(input_ids=ids).logits, expected), say(
        "the model's output changed although nothing was trained", "还没有训练，模型的输出就变了"
    )
    wanted = 2 * LAYERS * (2 * FEATURES * 6 + FEATURES + 6)
    assert count(model) == wanted, say(
        f"{count(model)} parameters train; the {found} Bottlenecks have {wanted}",
        f"可训练参数为 {count(model)} 个；{found} 个 Bottleneck 共有 {wanted} 个",
    )
    vector = torch.linspace(-1, 1, FEATURES)
    give(model, kind, vector)
    stream = base.model.embed_tokens(ids) + 2 * LAYERS * vector
    alone = base.lm_head(base.model.norm(stream))
    off = (model(input_ids=ids).logits - alone).abs().max().item()
    assert off < 1e-4, say(
        f"with every Bottleneck giving the same vector v, the stream must be the embeddings plus "
        f"{2 * LAYERS} v; the logits differ from that by {off:.2g}. They must be the last things "
        "in their residual branches: behind o_proj, and behind mlp",
        f"让每个 Bottleneck 都输出同一个向量 v，主流应等于嵌入加 {2 * LAYERS} v；logits 与此相差 "
        f"{off:.2g}。它们必须是各自残差支路的最后一步：接在 o_proj 之后和 mlp 之后",
    )


def test_trainable(submission, figures):
    total = sum(p.numel() for p in small().parameters())
    for method in METHODS:
        model = call("trainable", submission.build, method, small())
        figures[method] = count(model)
        names = trains(model)
        if method == "full":
            right = count(model) == total
        elif method == "lora":
            right = bool(names) and all("lora_" in name for name in names)
        else:
            inside = {f"{path}.{n}" for path, m in model.named_modules()
                      if isinstance(m, submission.Bottleneck) for n, _ in m.named_parameters()}  # fmt: skip
            right = bool(inside) and names == inside
        assert right, say(
            f"{method}: {count(model)} parameters of {total} train, {min(names, default='none')} first",
            f"{method}：{total} 个参数中有 {count(model)} 个可训练，首个是 {min(names, default='无')}",
        )
        torch.manual_seed(99)
        again = submission.build(method, small()).state_dict()
        other = [n for n, t in model.state_dict().items() if not torch.equal(t, again[n])]
        assert not other, say(
            f"{method}: built twice, {len(other)} tensors differ, {other[0] if other else 0} first: seed in build",
            f"{method}：构建两次，有 {len(other)} 个张量不同，首个是 {other[0] if other else 0}：请在 build 中设定种子",
        )


def reference_training(model, count, rate):
    """The same steps by the grader."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate,
                                  weight_decay=0.0)  # fmt: skip
    model.train()
    for batch in batches(count):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    return model, optimizer


def half_frozen():
    model = small()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("mlp" in name)
    return model


def trained(submission, criterion, model, count, monkeypatch, tmp_path):
    monkeypatch.setenv("TUTOR_RUN_DIR", str(tmp_path))  # lab.report writes there
    return call(criterion, submission.train, model, batches(count), 3e-3)


def loss_of(model):
    with torch.no_grad():
        return model.eval()(**batches(1)[0]).loss.item()


def test_steps(submission, figures, monkeypatch, tmp_path):
    model = half_frozen()
    optimizer = trained(submission, "steps", model, 6, monkeypatch, tmp_path)
    assert isinstance(optimizer, torch.optim.Optimizer), say(
        f"train returns {type(optimizer).__name__}, not the optimizer",
        f"train 返回的是 {type(optimizer).__name__}，而不是优化器",
    )
    was = dict(small().named_parameters())
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, was[n])}
    wanted = trains(half_frozen())
    assert moved == wanted, say(
        f"{len(moved)} tensors moved, {len(wanted)} are trainable; the difference: "
        f"{sorted(moved ^ wanted)[:2]}",
        f"有 {len(moved)} 个张量变了，可训练的有 {len(wanted)} 个；相差：{sorted(moved ^ wanted)[:2]}",
    )
    expected = loss_of(reference_training(half_frozen(), 6, 3e-3)[0])
    figures |= {"loss": loss_of(model), "expected": expected, "before": loss_of(small())}
    taken = {int(state["step"]) for state in optimizer.state.values() if "step" in state}
    assert taken == {6}, say(
        f"after 6 batches the optimizer has taken {sorted(taken)} steps",
        f"6 个批次之后，优化器走了 {sorted(taken)} 步",
    )
    assert abs(loss_of(model) - expected) < 0.05, say(
        f"6 steps of AdamW with 3e-3 take the loss from {figures['before']:.3f} to "
        f"{expected:.3f}; yours to {figures['loss']:.3f}",
        f"用 3e-3 的 AdamW 走 6 步，损失从 {figures['before']:.3f} 降到 {expected:.3f}；"
        f"你的结果是 {figures['loss']:.3f}",
    )


def test_memory(submission, figures):
    for make, dtype in ((small, torch.float32), (half_frozen, torch.float32),
                        (half_frozen, torch.bfloat16)):  # fmt: skip
        model, optimizer = reference_training(make().to(dtype), 2, 1e-3)
        got = call("memory", submission.costs, model, optimizer)
        numbers = count(model)
        size = torch.finfo(dtype).bits // 8
        expected = {"trainable": numbers, "gradients_mb": numbers * size / 1e6,
                    "optimizer_mb": 2 * numbers * size / 1e6}  # fmt: skip
        for name, value in expected.items():
            mine = float(got[name])
            figures[name] = mine
            assert abs(mine - value) <= 0.02 * value, say(
                f"{numbers} parameters in {dtype} train with AdamW: {name} is {mine:g}; it must "
                f"be {value:g}",
                f"{numbers} 个 {dtype} 参数用 AdamW 训练：{name} 是 {mine:g}；应为 {value:g}",
            )


def test_plot(submission, tmp_path):
    for values in ([1076.1, 240.5, 180.2], [3.1, 3.25, 3.2], [0.4, 1.9]):
        path = tmp_path / "chart.png"
        rows = [{"method": f"m{i}", "cost": value} for i, value in enumerate(values)]
        call("plot", submission.plot, rows, "cost", path)
        assert path.exists(), say("no image was written", "没有写出图片")
        heights = bars(path)
        wanted = [max(heights, default=0) * value / max(values) for value in values]
        close = len(heights) == len(values) and all(
            abs(h - w) <= 3 + 0.02 * max(heights) for h, w in zip(heights, wanted, strict=True)
        )
        assert close, say(
            f"values {values} became bars of {heights} pixels; from 0 and in proportion they "
            f"would be {[round(w) for w in wanted]}",
            f"数值 {values} 画成了高 {heights} 像素的柱子；从 0 开始、按比例应为 "
            f"{[round(w) for w in wanted]}",
        )


@cache
def base():
    return lab.load_base("float32")


def saved(run_dir, method):
    from safetensors.torch import load_file

    return load_file(run_dir / f"{method}.safetensors")


def fresh(submission, criterion, method):
    model, tokenizer = lab.load_base("float32")
    return call(criterion, submission.build, method, model), tokenizer


def test_trained(submission, run_dir, figures):
    for method in METHODS:
        model, _ = fresh(submission, "trained", method)
        tensors, start = saved(run_dir, method), dict(model.named_parameters())
        other = trains(model) ^ tensors.keys()
        assert not other, say(
            f"{method}: the file holds {len(tensors)} tensors, build trains "
            f"{len(trains(model))}; the difference begins with {sorted(other)[:1]}",
            f"{method}：文件中有 {len(tensors)} 个张量，build 训练的有 {len(trains(model))} 个；"
            f"差异从 {sorted(other)[:1]} 开始",
        )
        # One-dimensional ones move by less than 16 bits show.
        still = [n for n, t in tensors.items()
                 if t.ndim == 2 and torch.equal(t.float(), start[n].detach().bfloat16().float())]  # fmt: skip
        figures[f"still_{method}"] = len(still)
        assert not still, say(
            f"{method}: {len(still)} matrices are as build makes them, {still[0]} first: not one "
            "step of training changed them",
            f"{method}：有 {len(still)} 个矩阵与 build 生成的相同，首个是 {still[0]}：没有经过训练",
        )
        del model, start
        gc.collect()


@cache
def losses(build, run_dir):
    """Held-out losses of the base and of each method, computed here."""
    pairs = lab.instructions()[1][::12]
    found = {}
    for method in ("base", *METHODS):
        model, tokenizer = lab.load_base("float32")
        if method != "base":
            model = build(method, model)
            model.load_state_dict(saved(run_dir, method), strict=False)
        found[method] = proof.held_out_loss(model, tokenizer, pairs)
        del model
        gc.collect()
    return found


def test_held_out_improves(submission, run_dir, figures):
    found = call("held_out_improves", losses, submission.build, run_dir)
    figures |= found
    for method in METHODS:
        gain = found["base"] - found[method]
        assert gain >= LEAST_GAIN, say(
            f"{method}: held-out loss {found[method]:.3f}, the base's {found['base']:.3f}; the "
            f"gain of {gain:.3f} must be at least {LEAST_GAIN}",
            f"{method}：留出集损失 {found[method]:.3f}，底座 {found['base']:.3f}；降低了 {gain:.3f}，"
            f"至少应为 {LEAST_GAIN}",
        )


def test_metrics_agree(submission, run_dir, figures):
    metrics = json.loads((run_dir / "metrics.json").read_text("utf-8"))
    found = call("metrics_agree", losses, submission.build, run_dir)
    rows = {row.get("method"): row for row in metrics["rows"]}
    assert list(rows) == list(METHODS), say(
        f"metrics.json has rows for {list(rows)}; it must be {list(METHODS)}",
        f"metrics.json 中的行是 {list(rows)}；应为 {list(METHODS)}",
    )
    for method in METHODS:
        numbers = sum(t.numel() for t in saved(run_dir, method).values())
        expected = {"trainable": (numbers, 0), "gradients_mb": (4 * numbers / 1e6, 0.02),
                    "optimizer_mb": (8 * numbers / 1e6, 0.02)}  # fmt: skip
        figures[f"trainable_{method}"] = numbers
        for name, (value, share) in expected.items():
            mine = rows[method].get(name)
            assert isinstance(mine, int | float) and abs(mine - value) <= share * value, say(
                f"metrics.json says {name} = {mine} for {method}; the grader counts {value:g}",
                f"metrics.json 中 {method} 的 {name} = {mine}；评分程序测得 {value:g}",
            )
        mine, loss = rows[method].get("held_out_loss"), found[method]
        assert isinstance(mine, int | float) and abs(mine - loss) <= AGREE, say(
            f"metrics.json says held_out_loss = {mine} for {method}; the grader measures {loss:.3f}",
            f"metrics.json 中 {method} 的 held_out_loss = {mine}；评分程序测得 {loss:.3f}",
        )
