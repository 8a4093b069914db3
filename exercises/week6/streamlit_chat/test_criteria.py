"""Criteria of week6/streamlit_chat: the script under streamlit's own AppTest, without a browser.

`engine.load` gives an engine that recites (exercises/week6/scripted.py), and each call of it is
counted; the last criterion loads the 135M model.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from exercises.week6 import engine as engines
from exercises.week6.scripted import TEXT, Scripted
from tutor.base.i18n import say

TIMEOUT_S = 120
REAL_LOAD = engines.load  # before a criterion puts another in its place


class Loads:
    """Stands where engine.load was, and counts."""

    def __init__(self, engine) -> None:
        self.engine, self.calls = engine, 0

    def __call__(self, path=None):
        self.calls += 1
        return self.engine


@pytest.fixture
def open_app(submission, criterion, monkeypatch):
    """open_app(): one user's session, the script run once. open_app.loads counts the loading."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    st.cache_resource.clear()
    st.cache_data.clear()
    loads = Loads(Scripted())
    monkeypatch.setattr(engines, "load", loads)

    def open_app():
        app = AppTest.from_file(str(Path(submission.__file__)), default_timeout=TIMEOUT_S)
        return run(criterion, app)

    open_app.loads = loads
    yield open_app
    st.cache_resource.clear()


def run(criterion: str, app):
    """Run the script; what it raises is drawn on the page, and is the criterion's message."""
    app.run()
    if raised := [e.message or e.value for e in app.exception]:
        pytest.fail(say(
            f"{criterion} cannot be checked, the script fails: {raised[0]}",
            f"无法检查 {criterion}，脚本出错：{raised[0]}",
        ))  # fmt: skip
    return app


def ask(criterion: str, app, question: str = "What does the keeper do?"):
    assert len(app.chat_input) == 1, say(
        f"{criterion}: the page has {len(app.chat_input)} chat inputs, not one",
        f"{criterion}：页面上有 {len(app.chat_input)} 个 chat_input，应为一个",
    )
    app.chat_input[0].set_value(question)
    return run(criterion, app)


def shown(app) -> list[tuple[str, str]]:
    """(role, text) of each chat message on the page."""
    return [(m.name, " ".join(str(x.value) for x in m.markdown).strip()) for m in app.chat_message]


def test_talks(open_app):
    """A question gets its answer, both in chat messages; nothing was said before."""
    app = open_app()
    before = shown(app)
    assert before == [] or before[0][0] == "assistant", say(
        f"before the first question the page shows {before}",
        f"还没提问，页面上就显示了 {before}",
    )
    assert not open_app.loads.engine.heard, say(
        "the engine was asked before anybody had put a question",
        "还没有人提问，引擎就被调用了",
    )
    app = ask("talks", app)
    wanted = [("user", "What does the keeper do?"), ("assistant", TEXT)]
    assert shown(app)[-2:] == wanted, say(
        f"after a question the chat messages are {shown(app)}; the last two must be {wanted}",
        f"提问之后，聊天消息是 {shown(app)}；最后两条应为 {wanted}",
    )
    heard = len(open_app.loads.engine.heard)
    assert heard == 1, say(
        f"for one question the engine was asked {heard} times", f"一个问题，引擎被调用了 {heard} 次"
    )


def test_remembers(open_app, figures):
    """Both the page and the model know what was said, after each run of the script."""
    app = open_app()
    said: list[tuple[str, str]] = []
    for n, question in enumerate(("Who are you?", "And at night?", "Since when?")):
        app = ask("remembers", app, question)
        heard = open_app.loads.engine.heard[-1][0]
        roles = [m["role"] for m in heard]
        assert roles[:1] == ["system"], say(
            f"turn {n + 1}: the first message to the engine has the role {roles[:1]}, not system",
            f"第 {n + 1} 轮：传给引擎的第一条消息的角色是 {roles[:1]}，应为 system",
        )
        said.append(("user", question))
        got = [(m["role"], m["content"]) for m in heard[1:]]
        assert got == said, say(
            f"turn {n + 1}: after the system prompt the engine reads {got}, not {said}",
            f"第 {n + 1} 轮：系统提示之后引擎读到的是 {got}，应为 {said}",
        )
        said.append(("assistant", TEXT))
        on_page = shown(app)[-len(said) :]
        assert on_page == said, say(
            f"turn {n + 1}: the page shows {on_page}, not {said}: each run draws it anew",
            f"第 {n + 1} 轮：页面显示 {on_page}，应为 {said}：每次运行都要重新画一遍",
        )
    app = run("remembers", app)  # a click elsewhere: nothing was asked
    figures["messages"] = len(said)
    assert shown(app)[-len(said) :] == said and len(open_app.loads.engine.heard) == 3, say(
        f"a rerun without a question shows {shown(app)}; the engine was asked "
        f"{len(open_app.loads.engine.heard)} times for three questions",
        f"没有提问的一次重跑，显示的是 {shown(app)}；三个问题共调用引擎 "
        f"{len(open_app.loads.engine.heard)} 次",
    )


def test_streams(open_app, figures):
    """The assistant's text grows: what goes to the browser is counted on its way."""
    from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

    app = open_app()
    sent: list[str] = []

    def note(message) -> None:
        element = message.delta.new_element
        if element.HasField("markdown"):
            sent.append(element.markdown.body)

    ForwardMsgQueue.on_before_enqueue_msg(note)
    try:
        app = ask("streams", app)
    finally:
        ForwardMsgQueue.on_before_enqueue_msg(None)
    # A cursor may stand behind the text while it grows.
    parts = {TEXT[: common(text, TEXT)] for text in sent if text and common(text, TEXT)}
    figures["partial_texts"] = len(parts)
    assert len(parts) >= 5, say(
        f"the answer of 10 pieces was drawn in {len(parts)} step(s): {sorted(parts)[:3]}",
        f"10 个片段的回答分 {len(parts)} 次画出：{sorted(parts)[:3]}",
    )
    assert shown(app)[-1] == ("assistant", TEXT), say(
        f"at the end the page shows {shown(app)[-1]}, not the whole text",
        f"最后页面显示的是 {shown(app)[-1]}，而不是全文",
    )


def common(text: str, whole: str) -> int:
    """How many characters of the whole the text begins with."""
    same = 0
    for a, b in zip(text, whole, strict=False):
        if a != b:
            break
        same += 1
    return same


def test_settings(open_app):
    app = open_app()
    bounds = {"temperature": (0, 1.5), "max_tokens": (1, 512)}
    for key, (low, high) in bounds.items():
        found = [s for s in app.slider if s.key == key]
        got = (found[0].min, found[0].max) if found else None
        assert got == (low, high), say(
            f"the slider with the key {key!r} goes over {got}, not {(low, high)}",
            f"key 为 {key!r} 的滑块范围是 {got}，应为 {(low, high)}",
        )
    for temperature, limit, system in ((0.0, 3, "Be brief."), (1.2, 500, "You are a ship.")):
        choose(app, temperature, limit, system)
        app = ask("settings", app)
        heard = open_app.loads.engine.heard[-1]
        got = (heard[0][0]["content"], round(heard[1], 3), heard[2])
        assert got == (system, temperature, limit), say(
            f"system prompt, temperature and max tokens at the engine: {got}, not "
            f"{(system, temperature, limit)}",
            f"传到引擎的系统提示、温度、最大 token 数是 {got}，应为 {(system, temperature, limit)}",
        )


def choose(app, temperature: float, max_tokens: int, system: str) -> None:
    """Set the three settings on the page."""
    for key, value in (
        ("temperature", temperature),
        ("max_tokens", max_tokens),
        ("system", system),
    ):
        found = [x for x in (*app.slider, *app.text_area, *app.text_input) if x.key == key]
        assert found, say(
            f"{value!r} cannot be chosen: there is no slider or text field with the key {key!r}",
            f"无法设置 {value!r}：没有 key 为 {key!r} 的滑块或文本框",
        )
        found[0].set_value(value)


def test_loaded_once(open_app, figures):
    """Eight runs of the script, two users: one model."""
    for _ in range(2):
        app = open_app()
        for question in ("Who are you?", "And at night?"):
            app = ask("loaded_once", app, question)
        app = run("loaded_once", app)
    figures["loads"] = open_app.loads.calls
    assert open_app.loads.calls == 1, say(
        f"engine.load was called {open_app.loads.calls} times in eight runs of the script by two "
        "users; the model must be loaded once",
        f"两个用户共八次运行脚本，engine.load 被调用了 {open_app.loads.calls} 次；模型只应加载一次",
    )


def test_own_conversation(open_app):
    """What one user said is not for the next one."""
    first = ask("own_conversation", open_app(), "My name is Ada.")
    second = open_app()
    assert "Ada" not in str(shown(second)), say(
        f"a second user opens the page and reads {shown(second)}",
        f"另一个用户打开页面，看到了 {shown(second)}",
    )
    second = ask("own_conversation", second, "Who am I?")
    heard = open_app.loads.engine.heard[-1][0]
    assert "Ada" not in str(heard), say(
        f"the model reads in the second user's conversation what the first one said: {heard}",
        f"在第二个用户的对话里，模型读到了第一个用户的话：{heard}",
    )
    first = ask("own_conversation", first, "Who am I?")
    heard = open_app.loads.engine.heard[-1][0]
    assert [m["content"] for m in heard[1:]] == ["My name is Ada.", TEXT, "Who am I?"], say(
        f"the first user goes on, and the model reads {heard[1:]}",
        f"第一个用户接着聊，模型读到的是 {heard[1:]}",
    )


def test_clears(open_app):
    app = ask("clears", open_app(), "My name is Ada.")
    buttons = [b for b in app.button if b.key == "clear"]
    assert buttons, say("there is no button with the key 'clear'", "没有 key 为 'clear' 的按钮")
    buttons[0].click()
    app = run("clears", app)
    assert "Ada" not in str(shown(app)), say(
        f"after the button was pressed the page still shows {shown(app)}",
        f"按下按钮之后，页面仍然显示 {shown(app)}",
    )
    app = ask("clears", app, "Who am I?")
    heard = open_app.loads.engine.heard[-1][0]
    assert [m["content"] for m in heard[1:]] == ["Who am I?"], say(
        f"after the button the model still reads {heard[1:]}",
        f"按下按钮之后，模型仍然读到 {heard[1:]}",
    )


def test_real_model(open_app, figures):
    real = REAL_LOAD(repeatable=True)
    open_app.loads.engine = real
    system, question = "You keep a lighthouse.", "What is a lighthouse for?"
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    wanted = "".join(real.stream(messages, 0, 24)).strip()
    app = open_app()
    choose(app, 0.0, 24, system)
    app = ask("real_model", app, question)
    figures["characters"] = len(wanted)
    assert shown(app)[-1][1] == wanted, say(
        f"at temperature 0 the 135M model says {wanted!r}; the page shows {shown(app)[-1][1]!r}",
        f"温度为 0 时，135M 模型说的是 {wanted!r}；页面显示 {shown(app)[-1][1]!r}",
    )
