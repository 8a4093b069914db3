"""Criteria of foundations/attention: arXiv 1706.03762, section 3.2, against torch's own."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from exercises.gap import call
from tutor.base.i18n import say

ATOL = 1e-5


def random(*shape, seed=0, scale=1.0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def close(criterion, got, expected, what, atol=ATOL):
    """The same shape and values; what: (en, zh), with respect to which input."""
    assert isinstance(got, torch.Tensor), say(
        f"{what[0]}: {type(got).__name__}, not a tensor",
        f"{what[1]}：得到 {type(got).__name__}，而不是张量",
    )
    assert got.shape == expected.shape, say(
        f"{what[0]}: the shape is {tuple(got.shape)}; it must be {tuple(expected.shape)}",
        f"{what[1]}：形状为 {tuple(got.shape)}；应为 {tuple(expected.shape)}",
    )
    bad = (~torch.isfinite(got)).sum().item()
    assert not bad, say(
        f"{what[0]}: {bad} of {got.numel()} values are NaN or infinite",
        f"{what[1]}：{got.numel()} 个值中有 {bad} 个是 NaN 或无穷",
    )
    difference = (got.double() - expected.double()).abs().max().item()
    assert difference <= atol, say(
        f"{what[0]}: differs by up to {difference:.2g}",
        f"{what[1]}：最大相差 {difference:.2g}",
    )


def attend(submission, criterion, q, k, v, mask=None):
    got = call(criterion, submission.attention, q, k, v, mask)
    assert isinstance(got, list | tuple) and len(got) == 2, say(
        f"attention returns {type(got).__name__}; it must be the pair (output, weights)",
        f"attention 返回的是 {type(got).__name__}；应为一对 (output, weights)",
    )
    return got


def boolean(mask, shape, name):
    assert isinstance(mask, torch.Tensor) and mask.dtype == torch.bool, say(
        f"{name} returns {getattr(mask, 'dtype', type(mask).__name__)}; masks are bool tensors",
        f"{name} 返回 {getattr(mask, 'dtype', type(mask).__name__)}；掩码应为 bool 张量",
    )
    assert tuple(mask.shape) == shape, say(
        f"{name} has the shape {tuple(mask.shape)}; it must be {shape}",
        f"{name} 的形状为 {tuple(mask.shape)}；应为 {shape}",
    )
    return mask


def test_softmax(submission):
    for name, scores in (
        ("(4, 7)", random(4, 7)),
        ("1000, 1001, 1002", torch.tensor([[1000.0, 1001, 1002]])),
        ("-10000, 0, 10000", torch.tensor([[-1e4, 0, 1e4], [-1e4, -1e4, -1e4]])),
        ("rows of 0 and of 500", random(2, 5) + torch.tensor([[0.0], [500.0]])),
        ("-inf, 1, 2", torch.tensor([[-math.inf, 1, 2], [0, -math.inf, -math.inf]])),
    ):
        got = call("softmax", submission.softmax, scores)
        close("softmax", got, scores.softmax(-1), (f"softmax of {name}", f"{name} 的 softmax"))
    scores = random(3, 4, 5, seed=1).requires_grad_()
    got = call("softmax", submission.softmax, scores, dim=1)
    close("softmax", got, scores.softmax(1), ("softmax over dim 1", "沿第 1 维的 softmax"))
    wanted, *_ = torch.autograd.grad((scores.softmax(1) ** 2).sum(), scores)
    gradient, *_ = torch.autograd.grad((got**2).sum(), scores)
    close("softmax", gradient, wanted, ("its gradient", "它的梯度"))


def test_weights(submission):
    q = torch.tensor([[1.0, 0, 1, 0], [0, 2, 0, 2], [1, 1, 1, 1]])
    k = torch.tensor([[2.0, 0, 0, 0], [0, 1, 0, 1], [2, 0, 2, 0]])
    v = torch.tensor([[1.0, 0], [0, 1], [4, 2]])
    weights = attend(submission, "weights", q, k, v)[1]
    lesson = torch.tensor([[0.2447, 0.0900, 0.6652], [0.1065, 0.7870, 0.1065],
                           [0.2119, 0.2119, 0.5761]])  # fmt: skip
    rows = [round(value, 3) for value in weights.sum(-1).flatten().tolist()]
    assert all(abs(value - 1) < 1e-3 for value in rows), say(
        f"the weights of the lesson's three queries sum to {rows}; each must give 1",
        f"课文中三个 query 的权重之和为 {rows}；每个都应为 1",
    )
    close("weights", weights, lesson, ("weights of the lesson's tokens", "课文例子的权重"), 1e-4)
    output, weights = attend(
        submission, "weights", random(2, 5, 8), random(2, 9, 8), random(2, 9, 3)
    )
    assert (tuple(weights.shape), tuple(output.shape)) == ((2, 5, 9), (2, 5, 3)), say(
        f"5 queries, 9 keys, values of width 3: weights {tuple(weights.shape)} and output "
        f"{tuple(output.shape)}; it must be (2, 5, 9) and (2, 5, 3)",
        f"5 个 query、9 个 key、value 宽度 3：权重 {tuple(weights.shape)}，输出 "
        f"{tuple(output.shape)}；应为 (2, 5, 9) 和 (2, 5, 3)",
    )


def test_scaled_dot_product(submission):
    for shape, keys, width in (((6, 4), 6, 4), ((2, 7, 16), 3, 5), ((2, 3, 5, 64), 8, 64)):
        q = random(*shape, seed=2, scale=2.0)
        k = random(*shape[:-2], keys, shape[-1], seed=3, scale=2.0)
        v = random(*shape[:-2], keys, width, seed=4)
        expected = scaled_dot_product_attention(q, k, v)
        got = attend(submission, "scaled_dot_product", q, k, v)[0]
        sizes = f"q {tuple(q.shape)}, k {tuple(k.shape)}"
        close("scaled_dot_product", got, expected, (f"output for {sizes}", f"{sizes} 时的输出"))
        mask = random(*shape[:-1], keys, seed=5) > 0
        mask[..., 0] = True  # no query without a key: that is another criterion
        expected = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        got = attend(submission, "scaled_dot_product", q, k, v, mask)[0]
        what = (f"output for {sizes} with a random mask", f"{sizes}、随机掩码时的输出")
        close("scaled_dot_product", got, expected, what)


def test_causal(submission):
    for n in (1, 2, 6):
        mask = boolean(call("causal", submission.causal_mask, n), (n, n), f"causal_mask({n})")
        expected = torch.ones(n, n).tril().bool()
        seen = [row.nonzero().flatten().tolist() for row in mask]
        wrong = next((i for i in range(n) if not torch.equal(mask[i], expected[i])), 0)
        assert torch.equal(mask, expected), say(
            f"in causal_mask({n}) position {wrong} may look at {seen[wrong]}; it must be "
            f"{list(range(wrong + 1))}",
            f"causal_mask({n}) 中，位置 {wrong} 可以看 {seen[wrong]}；应为 {list(range(wrong + 1))}",
        )
        q, k, v = (random(2, 3, n, 8, seed=seed) for seed in (6, 7, 8))
        got = attend(submission, "causal", q, k, v, mask)[0]
        expected = scaled_dot_product_attention(q, k, v, is_causal=True)
        what = (f"attention over {n} tokens with causal_mask", f"{n} 个 token、因果掩码下的注意力")
        close("causal", got, expected, what)


def test_padding(submission):
    lengths, n = torch.tensor([5, 3, 1]), 5
    mask = call("padding", submission.padding_mask, lengths, n)
    boolean(mask, (3, 1, 1, n), "padding_mask([5, 3, 1], 5)")
    got = mask.sum(-1).flatten().tolist()
    q, k, v = (random(3, 2, n, 8, seed=seed) for seed in (9, 10, 11))
    for row, length in enumerate(lengths.tolist()):
        k[row, :, length:] = 50.0
        v[row, :, length:] = 1e4
    output = attend(submission, "padding", q, k, v, mask)[0]
    for row, length in enumerate(lengths.tolist()):
        real = (slice(row, row + 1), slice(None), slice(length))
        expected = scaled_dot_product_attention(q[real], k[real], v[real])
        what = (
            f"sequence of {length} in a batch padded to {n} (its mask lets {got[row]} keys through)",
            f"填充到 {n} 的批次中长度为 {length} 的序列（它的掩码放行 {got[row]} 个 key）",
        )
        close("padding", output[real], expected, what, 1e-4)


def test_fully_masked(submission):
    q, k, v = (random(2, 4, 8, seed=seed).requires_grad_() for seed in (12, 13, 14))
    mask = torch.ones(2, 4, 4).tril().bool()
    mask[0, 2] = False
    mask[1] = False
    output, weights = attend(submission, "fully_masked", q, k, v, mask)
    for name, got in (("output", output), ("weights", weights)):
        hidden = got[~mask.any(-1)]
        bad = (~torch.isfinite(hidden)).sum().item()
        largest = hidden.abs().max().item()
        assert not bad and largest == 0, say(
            f"5 queries may look at nothing; their {name} has {bad} NaN or infinite values and "
            f"{(hidden != 0).sum().item() - bad} others that are not 0 (such as "
            f"{hidden.flatten()[0].item():.3g})",
            f"有 5 个 query 什么都不能看；它们的 {name} 中有 {bad} 个 NaN 或无穷，另有 "
            f"{(hidden != 0).sum().item() - bad} 个不为 0（例如 {hidden.flatten()[0].item():.3g}）",
        )
    seen = mask.any(-1)
    expected = scaled_dot_product_attention(q, k, v, attn_mask=mask)[seen]
    what = ("the queries beside them, which may look", "旁边那些可以看的 query")
    close("fully_masked", output[seen], expected, what)
    for name, gradient in zip("qkv", torch.autograd.grad(output.sum(), (q, k, v)), strict=True):
        bad = (~torch.isfinite(gradient)).sum().item()
        assert not bad, say(
            f"the gradient of {name} has {bad} NaN or infinite values",
            f"{name} 的梯度中有 {bad} 个 NaN 或无穷",
        )


def twins(submission, criterion, d_model, heads, seed):
    """The learner's layer and torch's, with the same weights."""
    torch.manual_seed(seed)
    theirs = nn.MultiheadAttention(d_model, heads, batch_first=True).eval()
    nn.init.normal_(theirs.in_proj_bias)
    nn.init.normal_(theirs.out_proj.bias)
    layer = call(criterion, submission.MultiHeadSelfAttention, d_model, heads).eval()
    weights, biases = theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3)
    pairs = [*zip(("q_proj", "k_proj", "v_proj"), weights, biases, strict=True),
             ("out_proj", theirs.out_proj.weight, theirs.out_proj.bias)]  # fmt: skip
    with torch.no_grad():
        for name, weight, bias in pairs:
            linear = getattr(layer, name, None)
            assert isinstance(linear, nn.Linear) and linear.bias is not None, say(
                f"the layer has no nn.Linear with a bias named {name}",
                f"该层没有名为 {name}、带偏置的 nn.Linear",
            )
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
    return layer, theirs


def test_multi_head(submission):
    for d_model, heads, n in ((8, 1, 3), (12, 3, 5), (64, 8, 10)):
        layer, theirs = twins(submission, "multi_head", d_model, heads, seed=heads)
        x = random(3, n, d_model, seed=15)
        what = (f"width {d_model}, {heads} heads", f"宽度 {d_model}、{heads} 个头")
        expected = theirs(x, x, x, need_weights=False)[0]
        close("multi_head", call("multi_head", layer, x), expected, what)
        # torch's layer means the opposite: there True hides.
        causal = torch.ones(n, n).tril().bool()
        real = torch.arange(n) < torch.tensor([n, n - 1, 1])[:, None]
        expected = theirs(x, x, x, attn_mask=~causal, key_padding_mask=~real)[0]
        got = call("multi_head", layer, x, causal & real[:, None, None, :])
        what = (f"{what[0]}, causal and padding mask", f"{what[1]}、因果加填充掩码")
        close("multi_head", got, expected, what)


def test_causality(submission):
    """Change one token, and see which outputs move; then the same by gradients."""
    n = 7
    layer, _ = twins(submission, "causality", 16, 4, seed=5)
    mask = call("causality", submission.causal_mask, n)
    x = random(1, n, 16, seed=16)
    before = call("causality", layer, x, mask).detach()
    for j in range(n):
        changed = x.clone()
        changed[0, j] += 3.0
        moved = (layer(changed, mask).detach() - before)[0].abs().amax(-1)
        leaks = [i for i in range(j) if moved[i] > 1e-6]
        assert not leaks, say(
            f"after a change of token {j} the outputs of {leaks}, which come before it, move by up "
            f"to {moved[:j].max():.2g}",
            f"改动第 {j} 个 token 后，它前面位置 {leaks} 的输出变化达 {moved[: j or 1].max():.2g}",
        )
        deaf = [i for i in range(j, n) if moved[i] < 1e-6]
        assert not deaf, say(
            f"after a change of token {j} the outputs of {deaf} do not move at all",
            f"改动第 {j} 个 token 后，位置 {deaf} 的输出毫无变化",
        )
    x.requires_grad_()
    for i, row in enumerate(layer(x, mask)[0]):
        (gradient,) = torch.autograd.grad(row.sum(), x, retain_graph=True)
        future = gradient[0, i + 1 :].abs().sum().item()
        assert future == 0, say(
            f"output {i} has a gradient of {future:.2g} with respect to later tokens",
            f"输出 {i} 对后面 token 的梯度为 {future:.2g}",
        )


class Products(TorchFunctionMode):
    """Counts the multiplications of the matrix products that run under it."""

    multiplications = 0

    def __torch_function__(self, function, types, arguments=(), named=None):
        if function is torch.Tensor.matmul:
            (n, d), m = arguments[0].shape, arguments[1].shape[1]
            self.multiplications += n * d * m
        return function(*arguments, **(named or {}))


def measured(n, d_model):
    """Run one plain layer over n tokens and count."""
    x, weight = torch.zeros(n, d_model), torch.zeros(d_model, d_model)
    with Products() as count:
        q, k, v = x.matmul(weight), x.matmul(weight), x.matmul(weight)
        q.matmul(k.T).matmul(v).matmul(weight)
    return count.multiplications


def test_cost(submission, figures):
    for n, d_model in ((1, 8), (10, 8), (20, 8), (64, 32), (128, 32), (200, 96)):
        got = call("cost", submission.multiplications, n, d_model)
        expected = measured(n, d_model)
        assert got == expected, say(
            f"for {n} tokens of width {d_model} multiplications returns {got:,}; a count of the "
            f"products in a plain layer finds {expected:,}",
            f"{n} 个 token、宽度 {d_model} 时，multiplications 返回 {got:,}；逐个统计矩阵乘法得到 "
            f"{expected:,}",
        )
    for n in (512, 2048, 8192):
        share = 2 * n**2 * 576 / submission.multiplications(n, 576)
        figures[f"share_that_grows_with_n2_at_{n}"] = round(share, 3)
