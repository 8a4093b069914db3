"""Criteria of week8/reward_model: the loss on known numbers, the state of the right token, and what
the saved head says of held-out pairs, measured here."""

from __future__ import annotations

from functools import cache

import torch
from safetensors.torch import load_file

from exercises import lab, protocol
from exercises.week5 import proof
from exercises.week8 import aligned, preference_data
from tutor.base.i18n import say

NAMES = ("chosen", "rejected")
LEAST_ACCURACY = 0.75
"""The solution's is 0.88 to 0.94, depending on steps and weight decay; chance is 0.5 ± 0.07."""
BATCH = 12
SAME = 0.06
"""Distance of two states over their length: 16 bits move a state by 0.04, another answer is 0.08
away at the least and 0.25 as a rule."""
SAME_HEAD = 0.98
"""Cosine of two heads. 48 pairs more than the file's make it 0.90."""


def tiny(seed=3):
    """A random Llama of two layers with the vocabulary of the base."""
    return aligned.tiny_peft(seed).merge_and_unload().eval()


@torch.no_grad()
def state(model, text):
    """The last token's state of one text alone, unpadded: (H,) in float32."""
    ids = proof.base_tokenizer()(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return model.model(input_ids=ids).last_hidden_state[0, -1].float()


def conversation(row, answer):
    tokenizer = proof.base_tokenizer()
    return proof.chat_prompt(tokenizer, row) + row[answer] + tokenizer.eos_token


def states(model, some, answer):
    return torch.stack([state(model, conversation(row, answer)) for row in some])


def far(one, other):
    """Distance relative to the length of `other`, over the last dimension."""
    return (one - other).norm(dim=-1) / other.norm(dim=-1)


def test_loss(run):
    chosen = torch.tensor([1.7, 1.0, 0.2, 500.0, -500.0, 40.0, -110.0])
    rejected = torch.tensor([0.5, 1.0, 0.6, -500.0, 500.0, -90.0, 10.0])
    margins = torch.tensor([0.5, 0.0, 1.0, 3.0, 0.2, 0.0, 2.0])
    for margin in (None, margins):
        x = (chosen - rejected - (0 if margin is None else margin)).double()
        wanted = torch.nn.functional.softplus(-x)
        for n in range(len(x)):
            given = chosen[n : n + 1], rejected[n : n + 1]
            more = () if margin is None else (margin[n : n + 1],)
            check_loss(run("bradley_terry_loss", *given, *more), wanted[n : n + 1], *given, *more)
        for few in (slice(0, 3), slice(None)):
            given = chosen[few], rejected[few], None if margin is None else margin[few]
            check_loss(run("bradley_terry_loss", *given), wanted[few], *given)
    chosen.requires_grad_()
    loss = torch.as_tensor(run("bradley_terry_loss", chosen, rejected)).sum()
    slope = torch.zeros(len(chosen))
    if loss.requires_grad:
        (slope,) = torch.autograd.grad(loss, chosen)
    expected = -torch.sigmoid(rejected - chosen.detach()) / len(chosen)
    worst = int((slope - expected).nan_to_num(1e9).abs().argmax())
    assert torch.allclose(slope, expected, atol=1e-5), say(
        f"rewards {chosen[worst].item():g} and {rejected[worst].item():g}: the slope at the chosen "
        f"one is {slope[worst].item():.4f}; it must be {expected[worst].item():.4f}, "
        f"-σ(rejected - chosen) / {len(chosen)}",
        f"奖励 {chosen[worst].item():g} 和 {rejected[worst].item():g}：对 chosen 奖励的梯度是 "
        f"{slope[worst].item():.4f}；应为 {expected[worst].item():.4f}，即 "
        f"-σ(rejected - chosen) / {len(chosen)}",
    )


def check_loss(got, wanted, chosen, rejected, margin=None):
    """wanted: (n,) losses of the pairs."""
    got = torch.as_tensor(got).detach()
    assert got.numel() == 1, say(
        f"for {len(wanted)} pairs the loss is of shape {tuple(got.shape)}; it is one number",
        f"{len(wanted)} 对得到的损失形状是 {tuple(got.shape)}；应当只有一个数",
    )
    mine, mean = got.double().item(), wanted.mean().item()
    pairs = [f"({c:g}, {r:g})" for c, r in zip(chosen.tolist(), rejected.tolist(), strict=True)]
    with_margin = "" if margin is None else f", margin {[round(m, 1) for m in margin.tolist()]}"
    assert abs(mine - mean) <= 1e-4 * max(1.0, mean), say(
        f"rewards {', '.join(pairs)}{with_margin}: the loss is {mine:.4f}; the mean of -ln σ is "
        f"{mean:.4f} (their sum {wanted.sum().item():.4f})",
        f"奖励 {', '.join(pairs)}{with_margin}：损失是 {mine:.4f}；-ln σ 的平均值是 {mean:.4f}"
        f"（总和 {wanted.sum().item():.4f}）",
    )


def padded(ids, side, pad):
    """Return input_ids and attention_mask of lists of ids."""
    longest = max(map(len, ids))
    batch, mask = [], []
    for row in ids:
        fill = longest - len(row)
        here = (fill, 0) if side == "left" else (0, fill)
        batch.append([pad] * here[0] + row + [pad] * here[1])
        mask.append([0] * here[0] + [1] * len(row) + [0] * here[1])
    return torch.tensor(batch), torch.tensor(mask)


@torch.no_grad()
def test_last_token(run):
    trunk = tiny().model
    # As with the base: it ends each turn of the text, too.
    pad = proof.base_tokenizer().eos_token_id
    ids = [[1, 40, pad, 9, 52, pad], [1, 7, pad], [1, 30, 31, pad, 33, 34, 35, 36, pad], [1, 5, 8]]
    for side in ("right", "left"):
        batch, mask = padded(ids, side, pad)
        got = torch.as_tensor(run("last_states", trunk, batch, mask)).float()
        width = trunk.config.hidden_size
        assert got.shape == (len(ids), width), say(
            f"4 rows, hidden size {width}: the result is {tuple(got.shape)}",
            f"4 行、隐藏维度 {width}：得到的形状是 {tuple(got.shape)}",
        )
        seen = trunk(input_ids=batch, attention_mask=mask).last_hidden_state
        for n, row in enumerate(ids):
            wanted = trunk(input_ids=torch.tensor([row])).last_hidden_state[0, -1]
            assert far(got[n], wanted) < 1e-3, misread(got[n], seen[n], mask[n], side, n)


def misread(got, seen, mask, side, n):
    """Say which token's state it is instead. seen: (t, H), the row's states in the batch."""
    last, distance = int(mask.nonzero().max()), far(got, seen)
    where = int(distance.argmin())
    sides = {"left": "左", "right": "右"}
    what = say("the state of no single token", "某个混合的状态，不属于任何一个 token")
    if distance[where] < 1e-3:
        kind = say("padding", "填充") if not mask[where] else say("in the text", "文本中间的 token")
        what = say(f"the state at position {where}, {kind}", f"位置 {where} 的状态（{kind}）")
    return say(
        f"padding on the {side}, row {n} with {int(mask.sum())} tokens of {len(mask)} positions: "
        f"what is read is {what}; the last token is at position {last}",
        f"{sides[side]}侧填充，第 {n} 行，{len(mask)} 个位置中有 {int(mask.sum())} 个 token：读到的是"
        f"{what}；最后一个 token 在位置 {last}",
    )


def test_answer_states(run):
    model, some = tiny(), [*aligned.held_out()[:9], aligned.ODD]
    for answer in NAMES:
        got = torch.as_tensor(run("answer_states", model, proof.base_tokenizer(), some, answer))
        wanted = states(model, some, answer)
        assert got.shape == wanted.shape, say(
            f"for {len(some)} rows the result is {tuple(got.shape)}; it must be "
            f"{tuple(wanted.shape)}, the hidden size, and not the vocabulary",
            f"{len(some)} 行得到的形状是 {tuple(got.shape)}；应为 {tuple(wanted.shape)}，"
            "第二维是隐藏维度，不是词表",
        )
        assert got.dtype == torch.float32 and not got.requires_grad, say(
            f"the states are {got.dtype}, with a gradient: {got.requires_grad}; the frozen trunk's "
            "are kept in float32, without one",
            f"状态的类型是 {got.dtype}，带梯度：{got.requires_grad}；主干已冻结，应保存为不带梯度的 "
            "float32",
        )
        off = far(got, wanted)
        worst = int(off.argmax())
        assert off.max() < 1e-3, mistaken(got[worst], wanted, model, some, answer, worst)


def mistaken(got, wanted, model, some, answer, n):
    """Say what else the state of row n is."""
    tokenizer = proof.base_tokenizer()
    prompt, said = proof.chat_prompt(tokenizer, some[n]), some[n][answer]
    others = {
        say("the text without its end token", "缺少结束 token 的文本"): prompt + said,
        say("the prompt alone", "只有提示"): prompt,
        say("prompt and answer without the chat format", "没有套用对话格式的提示加回答"): (
            some[n]["prompt"] + said + tokenizer.eos_token
        ),
    }
    found = [name for name, text in others.items() if far(got, state(model, text)) < 1e-3]
    found += [
        say(f"row {place}'s text", f"第 {place} 行的文本")
        for place in (far(got, wanted) < 1e-3).nonzero().flatten().tolist()
    ]
    what = found[0] if found else say("another text", "别的文本")
    return say(
        f"row {n}, {answer}: what is read is the state after {what}; asked for is the state after "
        f"prompt, answer and {tokenizer.eos_token}, {conversation(some[n], answer)[-60:]!r}",
        f"第 {n} 行的 {answer}：得到的是{what}之后的状态；要的是提示、回答和 "
        f"{tokenizer.eos_token} 之后的状态，即 {conversation(some[n], answer)[-60:]!r}",
    )


@torch.no_grad()
def test_centred(run):
    torch.manual_seed(5)
    head = torch.nn.Linear(16, 1)
    head.bias.fill_(3.0)
    chosen, rejected = 2 + torch.randn(7, 16), torch.randn(7, 16)
    both = torch.cat([chosen, rejected])
    before = head(both).flatten()
    got = run("center", head, chosen, rejected)
    after = (got if callable(got) else head)(both).flatten()
    off = ((after - after[0]) - (before - before[0])).abs().max().item()
    assert off < 1e-4, say(
        f"centring changed a difference of two rewards by {off:.3f}: it may only shift them all",
        f"居中使某两个奖励之差变了 {off:.3f}：只能把所有奖励平移同一个数",
    )
    means = [part.mean().item() for part in (after, after[:7], after[7:])]
    assert abs(means[0]) < 1e-4, say(
        f"the mean reward of 7 chosen and 7 rejected answers is {before.mean().item():+.3f} before "
        f"and {means[0]:+.3f} after (chosen {means[1]:+.3f}, rejected {means[2]:+.3f}); over all "
        "14 it must be 0",
        f"7 个 chosen 和 7 个 rejected 回答的平均奖励，居中前是 {before.mean().item():+.3f}，之后是 "
        f"{means[0]:+.3f}（chosen {means[1]:+.3f}，rejected {means[2]:+.3f}）；14 个合起来应为 0",
    )


@cache
@torch.no_grad()
def base_states(part, first, end):
    """(chosen, rejected), each (n, H), of pairs of the training (0) or held-out (1) part."""
    model, tokens = lab.load_base()
    some = preference_data.pairs()[part][first:end]
    found = []
    for name in NAMES:
        texts = [conversation(row, name) for row in some]
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        here = torch.zeros(len(texts), model.config.hidden_size)
        for start in range(0, len(texts), BATCH):
            few = order[start : start + BATCH]
            ids = [tokens(texts[n], add_special_tokens=False)["input_ids"] for n in few]
            batch, mask = padded(ids, "left", tokens.eos_token_id)
            seen = model.model(input_ids=batch, attention_mask=mask).last_hidden_state
            here[few] = seen[:, -1].float()
        found.append(here)
    return found


def saved(run_dir, name, *keys):
    found = load_file(run_dir / name)
    assert set(keys) <= set(found), say(
        f"{name} holds {sorted(found)}; it must hold {sorted(keys)}",
        f"{name} 中有 {sorted(found)}；应有 {sorted(keys)}",
    )
    return [found[key].float() for key in keys]


def test_only_training_pairs(run, run_dir, figures, monkeypatch, tmp_path):
    monkeypatch.setenv(protocol.RUN_DIR, str(tmp_path))  # its lab.report is no part of the run
    kept = saved(run_dir, "states.safetensors", *NAMES)
    count = len(kept[0])
    figures["pairs"] = count
    held = base_states(1, 0, None)
    # (n, 48): a pair is another's where both of its answers are.
    pairs = torch.stack([far(k[:, None], h[None]) for k, h in zip(kept, held, strict=True)])
    leaked = int((pairs.amax(dim=0) < SAME).any(dim=1).sum())
    figures["held_out_among_them"] = leaked
    assert leaked <= 1, say(
        f"of the {count} pairs that the head was trained on, {leaked} are held-out pairs: their "
        "accuracy would say nothing",
        f"训练打分头所用的 {count} 对中，有 {leaked} 对来自留出部分：这样测出的准确率毫无意义",
    )
    most = len(preference_data.pairs()[0])
    assert 0 < count <= most, say(
        f"the file holds {count} pairs, and the training part {most}: those of the part alone count",
        f"文件中有 {count} 对，训练部分有 {most} 对：只能用训练部分的数据对",
    )
    for n in {0, count // 2, count - 1}:
        wanted = base_states(0, n, n + 1)
        off = max(far(k[n], w[0]).item() for k, w in zip(kept, wanted, strict=True))
        assert off < 2 * SAME, say(
            f"the file's pair {n} is not the training part's pair {n}: its states are {off:.2f} of "
            "their length away",
            f"文件中的第 {n} 对不是训练部分的第 {n} 对：状态相差其长度的 {off:.2f}",
        )
    (weight,) = saved(run_dir, "head.safetensors", "weight")
    again = run("train_head", *kept).weight.detach().float()
    cosine = torch.cosine_similarity(weight.flatten(), again.flatten(), dim=0).item()
    figures["cosine"] = cosine
    assert cosine > SAME_HEAD, say(
        f"train_head on the file's {count} pairs gives another head than the saved one: their "
        f"cosine is {cosine:.2f}. Trained on other pairs, or not with the same seed?",
        f"用文件中的 {count} 对再跑一次 train_head，得到的打分头与保存的不同：余弦为 {cosine:.2f}。"
        "训练用的是别的数据对，还是没有固定种子？",
    )


def test_held_out_orders(run_dir, figures):
    weight, bias = saved(run_dir, "head.safetensors", "weight", "bias")
    chosen, rejected = (s @ weight.flatten() + bias for s in base_states(1, 0, None))
    right = (chosen > rejected).float()
    figures |= {"accuracy": right.mean().item(), "margin": (chosen - rejected).mean().item()}
    kinds = preference_data.KINDS
    by_kind = {kind: right[n :: len(kinds)].mean().item() for n, kind in enumerate(kinds)}
    figures |= {f"accuracy_{kind}": share for kind, share in by_kind.items()}
    shown = ", ".join(f"{kind} {share:.2f}" for kind, share in by_kind.items())
    assert figures["accuracy"] >= LEAST_ACCURACY, say(
        f"the saved head puts {figures['accuracy']:.2f} of {len(right)} held-out pairs in the right "
        f"order ({shown}); at least {LEAST_ACCURACY} is asked for",
        f"保存的打分头把 {len(right)} 对留出数据中的 {figures['accuracy']:.2f} 排对了（{shown}）；"
        f"至少应为 {LEAST_ACCURACY}",
    )


@torch.no_grad()
def test_rerank(run):
    model = tiny(4)
    torch.manual_seed(6)
    head = torch.nn.Linear(model.config.hidden_size, 1)
    prompt = aligned.held_out()[0]["prompt"]
    answers = [aligned.held_out()[n][name] for n in range(5) for name in NAMES]
    found = states(model, [{"prompt": prompt, "answer": text} for text in answers], "answer")
    rewards = dict(zip(answers, head(found).flatten().tolist(), strict=True))
    got = list(run("rerank", model, head, proof.base_tokenizer(), prompt, list(answers)))
    assert len(got) == len(answers), say(
        f"of {len(answers)} answers {len(got)} came back",
        f"{len(answers)} 个回答只返回 {len(got)} 个",
    )
    for text, reward in got:
        wanted = rewards.get(text, float("nan"))
        assert abs(float(reward) - wanted) < 1e-2, say(
            f"{text[:50]!r} is said to have the reward {float(reward):.3f}; it is {wanted:.3f}",
            f"{text[:50]!r} 的奖励写成了 {float(reward):.3f}；应为 {wanted:.3f}",
        )
    order = sorted(answers, key=rewards.__getitem__, reverse=True)
    first = got[0][0]
    assert [text for text, _ in got] == order, say(
        f"first of {len(order)} answers is one with the reward {rewards[first]:.3f}, rank "
        f"{order.index(first) + 1}; rewards in the order given: "
        f"{[round(rewards[text], 2) for text, _ in got]}",
        f"{len(order)} 个回答里排在最前面的，奖励是 {rewards[first]:.3f}，本应排第 "
        f"{order.index(first) + 1}；你给出的顺序对应的奖励：{[round(rewards[t], 2) for t, _ in got]}",
    )


def test_implicit_rewards(run):
    some = [*aligned.held_out()[:4], aligned.ODD]
    for seed, beta in ((1, 0.1), (2, 0.5)):
        got = run("implicit_rewards", aligned.tiny_peft(seed), proof.base_tokenizer(), some, beta)
        expected = aligned.rewards(aligned.tiny_peft(seed), proof.base_tokenizer(), some, beta)
        for name, mine, wanted in zip(NAMES, got, expected, strict=True):
            mine = torch.as_tensor(mine).detach().float().reshape(-1)
            assert mine.shape == wanted.shape, say(
                f"for {len(some)} pairs there are {mine.numel()} rewards of the {name} answers",
                f"{len(some)} 对却得到 {mine.numel()} 个 {name} 奖励",
            )
            worst = int((mine - wanted).abs().argmax())
            assert torch.allclose(mine, wanted, rtol=1e-2, atol=2e-2 * beta), say(
                f"β = {beta}, pair {worst}: the implicit reward of the {name} answer is "
                f"{mine[worst].item():.4f}; β · (log π - log π_ref) over its tokens and its end is "
                f"{wanted[worst].item():.4f}",
                f"β = {beta}，第 {worst} 对：{name} 回答的隐式奖励是 {mine[worst].item():.4f}；对它的 "
                f"token 和结束 token，β · (log π - log π_ref) 应为 {wanted[worst].item():.4f}",
            )


@cache
@torch.no_grad()
def two_models():
    """Rewards of eight pairs from a random reward model and from a random policy."""
    some, policy = aligned.held_out()[:8], aligned.tiny_peft(1)
    torch.manual_seed(7)
    model, head = tiny(), torch.nn.Linear(32, 1)
    explicit = tuple(head(states(model, some, name)).squeeze(-1) for name in NAMES)
    return explicit, aligned.rewards(policy, proof.base_tokenizer(), some, 0.1)


def test_agreement(run, figures):
    explicit, implicit = two_models()
    (a, b), (c, d) = explicit, implicit
    alike = ((a > b) == (c > d)).double().mean().item()
    together = torch.corrcoef(torch.stack([a - b, c - d]).double())[0, 1].item()
    wanted = {"agreement": alike, "correlation": together}
    figures |= wanted
    # What only the prompt decides is unknown in an implicit reward (equation 5 of the paper).
    unknown = torch.linspace(-20, 20, len(c)).roll(3)
    shifted = tuple(part + unknown for part in implicit)
    for second, what in (
        (implicit, ("", "")),
        (shifted, (" after each prompt's two rewards moved by one number", "（每个提示的两个奖励同加一个数之后）")),
    ):  # fmt: skip
        got = run("compare", explicit, second)
        for name, value in wanted.items():
            mine = float(got.get(name, float("nan")))
            assert abs(mine - value) < 1e-3, say(
                f"{len(c)} pairs of a reward model and a policy{what[0]}: {name} is {mine:.3f}; it "
                f"must be {value:.3f}",
                f"一个奖励模型与一个策略的 {len(c)} 对奖励{what[1]}：{name} 是 {mine:.3f}；应为 "
                f"{value:.3f}",
            )
