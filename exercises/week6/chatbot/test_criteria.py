"""Criteria of week6/chatbot: the app on a loopback port, driven as a script would drive it.

Behind it stands a tiny Llama that recites a text (exercises/week6/reciter.py) and writes down
what it was given; two criteria use the real 135M model.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from exercises import lab
from exercises.gap import call
from exercises.week6.caller import wait
from exercises.week6.reciter import reciter
from exercises.week6.screenshot import screenshot
from tutor.base.i18n import say

SYSTEM = "You keep a lighthouse."
TEXT = "The keeper of a tall 灯塔 counts every ship 🗼 and writes it down."
PLAIN = "The keeper counts every ship that passes by night and writes it down."
WAIT_S = 120


class User:
    """One person's session with the app, as gradio_client makes it."""

    def __init__(self, url: str) -> None:
        from gradio_client import Client

        self.client = Client(
            url, verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": WAIT_S}
        )

    def submit(self, message: str, system=SYSTEM, temperature=0.0, max_tokens=64):
        try:
            return self.client.submit(message, system, temperature, max_tokens, api_name="/chat")
        except (ValueError, TypeError) as error:
            named = ", ".join(str(e.api_name) for e in self.client.endpoints.values())
            pytest.fail(say(
                f"the app has no endpoint /chat(message, system prompt, temperature, max tokens): "
                f"{error} (its endpoints: {named})",
                f"应用没有 /chat(消息, 系统提示, 温度, 最大 token 数) 这个接口：{error}（现有：{named}）",
            ))  # fmt: skip

    def ask(self, message: str = "What does the keeper do?", **settings) -> list[str]:
        """Return the answers that came one after another, each the text so far."""
        job = self.submit(message, **settings)
        last = first_output(job.result(timeout=WAIT_S))
        seen = [first_output(output) for output in job.outputs()] or [last]
        return [x for n, x in enumerate(seen) if n == 0 or x != seen[n - 1]]


def first_output(output) -> str:
    return str(output[0] if isinstance(output, list | tuple) and output else output or "")


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(lab.base_folder())


@pytest.fixture
def serve(submission, criterion):
    """serve(model, tokenizer): the learner's app on a free port, until the with block ends."""

    @contextmanager
    def serve(model, tokenizer):
        app = call(criterion, submission.build_app, model, tokenizer)
        assert hasattr(app, "launch"), say(
            f"build_app returns {type(app).__name__}, not a ChatInterface or Blocks",
            f"build_app 返回的是 {type(app).__name__}，不是 ChatInterface 或 Blocks",
        )
        _, url, _ = app.launch(
            prevent_thread_lock=True, quiet=True, inbrowser=False, share=False, show_error=True,
            server_name="127.0.0.1", ssr_mode=False,
            _frontend=False,  # no look at the page within three seconds: the machine may be busy
        )  # fmt: skip
        try:
            yield url
        finally:
            app.close(verbose=False)

    return serve


def test_streams(serve, tokenizer, figures):
    """Several partial answers, each the beginning of the next; the last one is all of it."""
    model, _ = reciter(tokenizer, TEXT)
    with serve(model, tokenizer) as url:
        seen = User(url).ask()
        figures["partial_answers"] = len(seen)
        if size := screenshot(url, Path("chatbot.png")):
            figures["screenshot_kb"] = size / 1024
    assert seen[-1].strip() == TEXT, say(
        f"the model recites {TEXT!r}; the last answer of the app is {seen[-1][:200]!r}",
        f"模型背诵的是 {TEXT!r}，应用最后给出的是 {seen[-1][:200]!r}",
    )
    assert len(seen) >= 6, say(
        f"an answer of 22 tokens came in {len(seen)} step(s): nothing is seen while it is written",
        f"22 个 token 的回答分 {len(seen)} 次显示：生成过程中什么也看不到",
    )
    for before, after in pairwise(seen):
        assert "\ufffd" not in before and after.startswith(before.rstrip()), say(
            f"{before[-40:]!r} is followed by {after[-40:]!r}: each answer must be the text so "
            "far, in whole characters (some have several tokens)",
            f"{before[-40:]!r} 之后是 {after[-40:]!r}：每次都应是到目前为止的全文，"
            "并且只含完整的字符（有的字符占好几个 token）",
        )


def test_max_tokens(serve, tokenizer, figures):
    ids = tokenizer(PLAIN, add_special_tokens=False)["input_ids"]
    model, heard = reciter(tokenizer, PLAIN, endless=True)
    with serve(model, tokenizer) as url:
        for limit in (1, 5, 40):
            heard.clear()
            answer = User(url).ask(max_tokens=limit)[-1]
            expected = tokenizer.decode((ids * 4)[:limit])
            figures[f"passes_at_{limit}"] = len(heard.calls)
            assert answer.strip() == expected, say(
                f"max tokens {limit}, a model without an end: the answer is {answer[:120]!r} of "
                f"{len(tokenizer(answer)['input_ids'])} tokens; its first {limit} are {expected!r}",
                f"最大 token 数为 {limit}，模型没有结尾：回答是 {answer[:120]!r}，共 "
                f"{len(tokenizer(answer)['input_ids'])} 个 token；前 {limit} 个应为 {expected!r}",
            )
            assert len(heard.calls) <= limit + 1, say(
                f"for {limit} tokens the model ran {len(heard.calls)} times",
                f"{limit} 个 token，模型却运行了 {len(heard.calls)} 次",
            )


def test_temperature(serve, tokenizer):
    """The right token has a logit of 12 above 49,151 others: a sample at 0.3 always finds it, at
    1.5 almost never."""
    import torch

    model, _ = reciter(tokenizer, PLAIN)
    with serve(model, tokenizer) as url:
        user = User(url)
        torch.manual_seed(0)
        for temperature in (0, 0.3, 0, 0.3):
            answer = user.ask(temperature=temperature)[-1]
            assert answer.strip() == PLAIN, say(
                f"at temperature {temperature} the most probable text must come, {PLAIN!r}; it is "
                f"another: the setting does not reach the sampling as it is",
                f"温度为 {temperature} 时应得到概率最大的文本 {PLAIN!r}，实际不同："
                "这个设置没有原样传到采样处",
            )
        hot = {user.ask(temperature=1.5, max_tokens=24)[-1] for _ in range(3)}
        assert len(hot) > 1, say(
            "at temperature 1.5 three answers are the same: nothing is sampled",
            "温度为 1.5 时，三次回答完全相同：没有采样",
        )


def test_conversation(serve, tokenizer):
    """The prompt is the chat template of system prompt, history and question, and of this
    session alone."""
    model, heard = reciter(tokenizer, TEXT)
    with serve(model, tokenizer) as url:
        first, second = User(url), User(url)
        asked = [
            (first, "Who are you?", SYSTEM), (first, "And at night?", SYSTEM),
            (second, "Hello there.", "You are a ship."), (first, "Since when?", "Be brief."),
        ]  # fmt: skip
        turns: dict[User, list[dict]] = {first: [], second: []}
        for user, message, system in asked:
            heard.clear()
            answer = user.ask(message, system=system)[-1]
            history = turns[user]
            history += [{"role": "user", "content": message}]
            same_prompt(
                tokenizer, heard.prompt(), [{"role": "system", "content": system}, *history]
            )
            history += [{"role": "assistant", "content": answer}]


def same_prompt(tokenizer, got: list[int], messages: list[dict]) -> None:
    wanted = template(tokenizer, messages)
    read = tokenizer.decode(got)
    absent = [m["content"] for m in messages if m["content"] not in read]
    assert not absent, say(
        f"{absent[0]!r} ({len(absent)} of {len(messages)} messages) does not reach the model; it "
        f"read {read[-300:]!r}",
        f"{absent[0]!r} 没有传给模型（{len(messages)} 条消息中缺 {len(absent)} 条）；"
        f"模型读到的是 {read[-300:]!r}",
    )
    assert got == wanted, say(
        f"the model read {read[:400]!r}; the chat template of this session's "
        f"{len(messages)} messages is {tokenizer.decode(wanted)[:400]!r}",
        f"模型读到的是 {read[:400]!r}；按对话模板，这次会话的 {len(messages)} 条消息应为 "
        f"{tokenizer.decode(wanted)[:400]!r}",
    )


def template(tokenizer, messages: list[dict]) -> list[int]:
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(rendered, add_special_tokens=False)["input_ids"]


BAD = (
    ("temperature 9", "temperature 为 9", {"temperature": 9}, "1.5"),
    ("temperature -1", "temperature 为 -1", {"temperature": -1}, "0"),
    ("max tokens 100000", "max tokens 为 100000", {"max_tokens": 100000}, "512"),
    ("max tokens 0", "max tokens 为 0", {"max_tokens": 0}, "1"),
    ("a message of 2,001 characters", "2001 个字符的消息", {"message": "ship " * 400 + "s"}, "2000"),
    ("a system prompt of 1,001 characters", "1001 个字符的系统提示词",
     {"system": "ship " * 200 + "s"}, "1000"),
)  # fmt: skip


def test_bounds(serve, tokenizer):
    """A script does not see the interface: each bound must hold behind it, and say itself."""
    model, heard = reciter(tokenizer, PLAIN)
    with serve(model, tokenizer) as url:
        for english, chinese, settings, bound in BAD:
            what = say(english, chinese)
            heard.clear()
            try:
                answer = User(url).ask(**settings)[-1]
            except Exception as error:  # noqa: BLE001 - gradio_client has several kinds
                told = str(error)
            else:
                pytest.fail(say(
                    f"{what}, sent by a script, is answered: {answer[:60]!r}",
                    f"脚本发来的请求（{what}）照样得到了回答：{answer[:60]!r}",
                ))  # fmt: skip
            assert not heard.calls, say(
                f"{what} is refused only after the model ran {len(heard.calls)} times",
                f"{what}：模型运行了 {len(heard.calls)} 次之后才拒绝",
            )
            assert bound in told.replace(",", ""), say(
                f"{what} is refused with {told[:150]!r}, which does not say the bound ({bound})",
                f"{what} 被拒绝，但提示 {told[:150]!r} 没有说明界限（{bound}）",
            )


def test_fits(serve, tokenizer, figures):
    context, limit = 200, 60
    model, heard = reciter(tokenizer, TEXT, context=context)
    system, history, most = {"role": "system", "content": SYSTEM}, [], 0
    with serve(model, tokenizer) as url:
        user = User(url)
        for n in range(6):
            heard.clear()
            message = f"Tell me once more, number {n}: what do you see from up there?"
            history.append({"role": "user", "content": message})
            answer = user.ask(message, max_tokens=limit)[-1]
            prompt = heard.prompt()
            most = max(most, len(prompt))
            kept = kept_turns(tokenizer, prompt, system, history)
            history.append({"role": "assistant", "content": answer})
            assert len(prompt) + limit <= context, say(
                f"turn {n + 1}: a prompt of {len(prompt)} tokens and {limit} to come do not fit "
                f"into a context of {context}",
                f"第 {n + 1} 轮：提示 {len(prompt)} 个 token，加上要生成的 {limit} 个，"
                f"超出了 {context} 的上下文",
            )
            assert kept is not None and kept >= min(n, 1), say(
                f"turn {n + 1}: the model read {tokenizer.decode(prompt)[:300]!r}; it must be the "
                "system prompt, the newest whole turns (one fits here) and the question",
                f"第 {n + 1} 轮：模型读到的是 {tokenizer.decode(prompt)[:300]!r}；应为系统提示、"
                "最近的完整轮次（这里放得下一轮）和当前的问题",
            )
        figures["longest_prompt"] = most
        heard.clear()
        try:
            too_long = User(url).ask("ship " * 300, max_tokens=limit)[-1]
        except Exception as error:  # noqa: BLE001 - gradio_client has several kinds
            told = str(error)
        else:
            pytest.fail(say(
                f"a question of 300 tokens cannot fit into {context}, and is answered: "
                f"{too_long[:60]!r} (the model read {len(heard.prompt())} tokens)",
                f"300 个 token 的问题放不进 {context} 的上下文，却得到了回答："
                f"{too_long[:60]!r}（模型读了 {len(heard.prompt())} 个 token）",
            ))  # fmt: skip
        assert not heard.calls, say(
            f"a question of 300 tokens is refused only after the model ran {len(heard.calls)} times",
            f"300 个 token 的问题：模型运行了 {len(heard.calls)} 次之后才拒绝",
        )
        # Of the whole context, of what max tokens leaves of it, or less the system prompt.
        assert any(0 < int(number) <= context for number in re.findall(r"\d+", told)), say(
            f"a question of 300 tokens is refused with {told[:150]!r}, which does not say how many "
            "tokens fit",
            f"300 个 token 的问题被拒绝，但提示 {told[:150]!r} 没有说明放得下多少个 token",
        )


def kept_turns(tokenizer, prompt: list[int], system: dict, history: list[dict]) -> int | None:
    """How many earlier turns the prompt holds; None where it is no template of such messages."""
    for first in range(0, len(history), 2):
        if prompt == template(tokenizer, [system, *history[first:]]):
            return (len(history) - first) // 2
    return None


def test_stops(serve, tokenizer, figures):
    model, heard = reciter(tokenizer, PLAIN, endless=True)
    with serve(model, tokenizer) as url:
        user = User(url)
        heard.pause_s = 0.05
        job = user.submit("Tell me everything.", max_tokens=512)
        wait(lambda: len(job.outputs()) >= 3 or job.done())
        job.cancel()
        wait(lambda: still(heard), 12)
        ran = len(heard.calls)
        stopped = still(heard)
        heard.pause_s = 0
        assert stopped and ran < 500, say(
            "the user cancelled after a few words, and many passes later the model still goes on",
            "用户在头几个词之后就取消了，又过了许多步，模型还在继续",
        )
        answer = user.ask(max_tokens=5)[-1]
        assert answer, say(
            "after a cancelled answer the next one is empty", "取消之后，下一个回答是空的"
        )
    figures["stopped_early"] = 1


def still(heard) -> bool:
    """Whether the model rests for a second: twenty passes' time."""
    before = len(heard.calls)
    time.sleep(1)
    return len(heard.calls) == before


def test_adapter(submission, tokenizer, tmp_path, figures):
    """The adapter in the folder changes the answers as it should; a missing one is no secret."""
    import torch
    from peft import LoraConfig, get_peft_model

    base, _ = lab.load_base()
    torch.manual_seed(1)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.5)
    adapted = get_peft_model(base, config)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    adapted.save_pretrained(tmp_path / "adapter")
    ids = torch.tensor([template(tokenizer, [{"role": "user", "content": "What is a ship?"}])])
    adapted.eval()
    with torch.inference_mode():
        wanted = adapted(ids).logits[0, -1].float()
        with adapted.disable_adapter():
            plain = adapted(ids).logits[0, -1].float()
        effect = (wanted - plain).abs().mean().item()
        for path, target in ((tmp_path / "adapter", wanted), (None, plain)):
            model, _ = call("adapter", submission.load_model, path)
            off = (model(ids).logits[0, -1].float() - target).abs().mean().item() / effect
            figures["off_adapted" if path else "off_base"] = off
            what = "load_model(adapter)" if path else "load_model(None)"
            assert off < 0.25, say(
                f"{what}: the logits are {off:.0%} of the adapter's effect away from what they "
                "must be",
                f"{what}：logits 与应有的值相差适配器作用的 {off:.0%}",
            )
    try:
        submission.load_model(tmp_path / "nothing here")
    except Exception:  # noqa: BLE001 - any of peft's, or the learner's own
        return
    pytest.fail(say(
        "load_model with a folder that is not there gives the base, without a word",
        "load_model 遇到不存在的文件夹，一声不吭地给出了底座",
    ))  # fmt: skip


def test_real_answer(submission, serve, figures):
    """The 135M model at temperature 0: what its most probable tokens say, streamed."""
    import torch

    model, tokenizer = call("real_answer", submission.load_model)
    model = model.float()  # in bfloat16 two ways to compute may differ in a near tie
    question = "What is a lighthouse for?"
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    ids = torch.tensor([template(tokenizer, messages)])
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False,
            pad_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
    wanted = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()
    with serve(model, tokenizer) as url:
        seen = User(url).ask(question, max_tokens=24)
    figures["partial_answers"] = len(seen)
    assert len(seen) >= 6, say(
        f"24 tokens of the 135M model came in {len(seen)} step(s)",
        f"135M 模型的 24 个 token 只分 {len(seen)} 次显示",
    )
    assert seen[-1].strip() == wanted, say(
        f"at temperature 0 the 135M model says {wanted!r}; the app says {seen[-1][:200]!r}",
        f"温度为 0 时，135M 模型说的是 {wanted!r}，应用给出的是 {seen[-1][:200]!r}",
    )
