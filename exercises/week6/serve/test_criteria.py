"""Criteria of week6/serve: the learner's server on a loopback port, called with httpx.

Behind it stands an engine that recites (exercises/week6/scripted.py): fast, exact, and with one
state for all its answers, as a model with one KV cache has.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from exercises.gap import call
from exercises.week6.caller import CHAT, Caller, bearer, data_lines, json_of, wait
from exercises.week6.scripted import PIECES, TEXT, Scripted
from tutor.base.i18n import say

KEY = "a-key-of-the-grader"
QUESTION = {"role": "user", "content": "What does the keeper do?"}


@pytest.fixture
def serve(submission, criterion):
    """serve(engine): the learner's server on a free port, until the with block ends."""

    @contextmanager
    def serve(engine):
        import uvicorn

        app = call(criterion, submission.build_app, engine, KEY)
        assert callable(app), say(
            f"build_app returns {type(app).__name__}, which is no app",
            f"build_app 返回的是 {type(app).__name__}，不是应用",
        )
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="auto",
                                                   timeout_graceful_shutdown=1))  # fmt: skip
            thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
            thread.start()
            wait(lambda: server.started or not thread.is_alive())
            base = f"http://127.0.0.1:{door.getsockname()[1]}"
            caller = Caller(base, KEY, Scripted.name, QUESTION)
            try:
                yield caller
            finally:
                caller.http.close()
                server.should_exit = True
                thread.join(10)

    return serve


def test_models(serve):
    with serve(Scripted()) as caller:
        reply = caller.http.get("/v1/models", headers=bearer(KEY))
    body = json_of(reply)
    listed = body.get("data") if isinstance(body.get("data"), list) else []
    names = [model.get("id") for model in listed]
    assert reply.status_code == 200 and names == [Scripted.name], say(
        f"GET /v1/models gives {reply.status_code} and lists {names}, not [{Scripted.name!r}]",
        f"GET /v1/models 返回 {reply.status_code}，列出的是 {names}，应为 [{Scripted.name!r}]",
    )
    kinds = (body.get("object"), listed[0].get("object"))
    assert kinds == ("list", "model"), say(
        f"the two `object` fields are {kinds}, not ('list', 'model')",
        f"两个 `object` 字段是 {kinds}，应为 ('list', 'model')",
    )


def test_completion(serve, figures):
    """What was asked reaches the engine as it was sent; the answer and its counts come back."""
    engine = Scripted()
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."},
                {"role": "assistant", "content": "Hello!"}, QUESTION]  # fmt: skip
    with serve(engine) as caller:
        for limit, text, reason, count in ((64, TEXT, "stop", 10), (4, TEXT[:23], "length", 4)):
            body = caller.good(messages=messages, temperature=0.25, max_tokens=limit)
            wanted = (messages, 0.25, limit)
            assert engine.heard[-1] == wanted, say(
                f"the engine was given {engine.heard[-1]}, not {wanted}",
                f"传给引擎的是 {engine.heard[-1]}，应为 {wanted}",
            )
            choice = (body.get("choices") or [{}])[0]
            got = (body.get("object"), body.get("model"), choice.get("message"))
            right = ("chat.completion", engine.name, {"role": "assistant", "content": text})
            assert got == right, say(
                f"object, model and message are {got}, not {right}",
                f"object、model 和 message 是 {got}，应为 {right}",
            )
            assert choice.get("finish_reason") == reason, say(
                f"with max_tokens {limit} the finish_reason is {choice.get('finish_reason')!r}, "
                f"not {reason!r}",
                f"max_tokens 为 {limit} 时 finish_reason 是 {choice.get('finish_reason')!r}，"
                f"应为 {reason!r}",
            )
            asked = engine.count(messages)
            counts = dict(zip(("prompt_tokens", "completion_tokens", "total_tokens"),
                              (asked, count, asked + count), strict=True))  # fmt: skip
            usage = {k: (body.get("usage") or {}).get(k) for k in counts}
            assert usage == counts, say(
                f"the usage is {usage}; engine.count says {asked}, and {count} pieces came: "
                f"{counts}",
                f"usage 是 {usage}；engine.count 为 {asked}，共 {count} 个片段，应为 {counts}",
            )
        ids = {caller.good().get("id") for _ in range(3)}
    figures["different_ids"] = len(ids)
    assert len(ids) == 3 and all(ids), say(
        f"three answers have the ids {sorted(map(str, ids))}; each needs one of its own",
        f"三个回答的 id 是 {sorted(map(str, ids))}；每个都应不同",
    )


def test_streams(serve, figures):
    engine = Scripted()
    engine.hold_at = 5
    with serve(engine) as caller, caller.streaming() as reply:
        kind = reply.headers.get("content-type", "")
        assert reply.status_code == 200 and kind.startswith("text/event-stream"), say(
            f"with stream=true the answer is {reply.status_code} {kind!r}, not text/event-stream",
            f"stream=true 时得到 {reply.status_code} {kind!r}，应为 text/event-stream",
        )
        lines, made = [], 0
        for line in data_lines(reply):
            lines.append(line)
            # Once the first word is here, how many has the engine made?
            if not made and '"content":' in line and "The" in line:
                made = engine.made
                engine.release.set()
    assert 0 < made < len(PIECES), say(
        f"the first word arrived when the engine had made {made or 'all'} of {len(PIECES)} pieces",
        f"第一个词到达时，引擎已经产生了 {len(PIECES)} 个片段中的 {made or '全部'}",
    )
    assert lines[-1] == "[DONE]" and lines.count("[DONE]") == 1, say(
        f"the last event is {lines[-1][:100]!r}, not '[DONE]'",
        f"最后一个事件是 {lines[-1][:100]!r}，应为 '[DONE]'",
    )
    chunks = [json.loads(line) for line in lines[:-1]]
    figures["chunks"] = len(chunks)
    kinds = {(c.get("object"), c.get("model"), c.get("id")) for c in chunks}
    assert len(kinds) == 1 and min(kinds)[:2] == ("chat.completion.chunk", engine.name), say(
        f"object, model and id of the chunks are {sorted(map(str, kinds))[:3]}; they must be "
        "'chat.completion.chunk', the model and one id for all",
        f"各块的 object、model、id 是 {sorted(map(str, kinds))[:3]}；应为 "
        "'chat.completion.chunk'、模型名，以及同一个 id",
    )
    choices = [c["choices"][0] for c in chunks if c.get("choices")]
    text = "".join(c["delta"].get("content") or "" for c in choices)
    roles = [c["delta"].get("role") for c in choices]
    assert text == TEXT and roles[0] == "assistant", say(
        f"the deltas make {text!r} and the first has the role {roles[0]!r}; it must be {TEXT!r} "
        "and 'assistant'",
        f"各个 delta 拼起来是 {text!r}，第一个的 role 是 {roles[0]!r}；应为 {TEXT!r} 和 'assistant'",
    )
    reasons = [c.get("finish_reason") for c in choices]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"], say(
        f"the finish_reasons of the chunks are {reasons}; only the last one is 'stop'",
        f"各块的 finish_reason 是 {reasons}；只有最后一个应为 'stop'",
    )


MORE = (*PIECES, *[" again"] * 40)
"""So many that a server which generates ahead of its reader can still be told to stop."""
STOPS = {
    (" ship",): "The keeper counts every",
    ("every ship", "keeper wrote"): "The keeper counts ",
    ("p 🗼 a", "zzz"): "The keeper counts every shi",
    ("down.!",): "".join(MORE),
}


def test_stop(serve):
    """The text ends before the stop string, also where that comes in several pieces."""
    for stops, wanted in STOPS.items():
        engine = Scripted(MORE, pause_s=0.02)
        with serve(engine) as caller:
            given = stops[0] if len(stops) == 1 else list(stops)
            choice = caller.good(stop=given, max_tokens=100)["choices"][0]
            got = (choice["message"]["content"], choice["finish_reason"])
            assert got == (wanted, "stop"), say(
                f"with stop={given!r} the answer is {got}, not {(wanted, 'stop')}",
                f"stop={given!r} 时回答是 {got}，应为 {(wanted, 'stop')}",
            )
            streamed = caller.deltas(stop=given, max_tokens=100)
            assert streamed == (wanted, "stop"), say(
                f"with stop={given!r} the streamed answer is {streamed}, not {(wanted, 'stop')}: "
                "what was sent cannot be taken back",
                f"stop={given!r} 时流式回答是 {streamed}，应为 {(wanted, 'stop')}："
                "发出去的收不回来",
            )
            if wanted == "".join(MORE):
                continue
            wait(lambda engine=engine: rests(engine))
            assert engine.made < len(MORE), say(
                f"after stop={given!r} was found the engine went on to the end",
                f"遇到 stop={given!r} 之后，引擎仍然生成到了结尾",
            )


def failed(caller: Caller, engine: Scripted, what: str, codes: tuple[int, ...], reply) -> dict:
    body = json_of(reply)
    assert reply.status_code in codes, say(
        f"{what}: status {reply.status_code}, not {' or '.join(map(str, codes))} "
        f"({reply.text[:100]})",
        f"{what}：状态码是 {reply.status_code}，应为 {' 或 '.join(map(str, codes))}"
        f"（{reply.text[:100]}）",
    )
    found = body.get("error")
    right = isinstance(found, dict) and isinstance(found.get("message"), str) and found["message"]
    assert right and "type" in found and "code" in found, say(
        f"{what}: the body is {reply.text[:200]}; clients read "
        '{"error": {"message", "type", "code"}}',
        f'{what}：响应体是 {reply.text[:200]}；客户端要读的是 {{"error": {{"message", "type", "code"}}}}',
    )
    assert not engine.heard, say(
        f"{what}: refused, but the engine was asked all the same",
        f"{what}：虽然拒绝了，引擎还是被调用了",
    )
    return found


def test_key(serve):
    engine = Scripted()
    with serve(engine) as caller:
        wrong = [bearer(key) for key in ("wrong", KEY[:-1], KEY + "x")]
        for headers in ({}, *wrong, {"Authorization": KEY}):
            what = say(f"with the headers {headers}", f"请求头为 {headers} 时")
            failed(caller, engine, what, (401,), caller.post(headers))
            models = caller.http.get("/v1/models", headers=headers)
            failed(caller, engine, f"{what}, /v1/models", (401,), models)
        told = json.dumps(json_of(caller.post(wrong[0])))
        assert KEY not in told, say("the error tells the key", "错误信息里写出了密钥")
        caller.good()


REFUSED = (400, 422)
BAD: tuple[tuple[str, str, dict, tuple[int, ...]], ...] = (
    ("no JSON", "不是 JSON", {"content": b'{"model": '}, REFUSED),
    ("a list for a body", "请求体是列表", {"content": b"[]"}, REFUSED),
    ("an unknown model", "未知的模型", {"model": "gpt-7"}, (404,)),
    ("temperature 9", "temperature 为 9", {"temperature": 9}, REFUSED),
    ("temperature -5", "temperature 为 -5", {"temperature": -5}, REFUSED),
    ("temperature 'hot'", "temperature 为 'hot'", {"temperature": "hot"}, REFUSED),
    ("max_tokens 0", "max_tokens 为 0", {"max_tokens": 0}, REFUSED),
    ("max_tokens 100000", "max_tokens 为 100000", {"max_tokens": 100_000}, REFUSED),
    ("messages as a text", "messages 是字符串", {"messages": "Hello"}, REFUSED),
    ("no messages", "messages 为空", {"messages": []}, REFUSED),
    ("a message without content", "消息没有 content", {"messages": [{"role": "user"}]}, REFUSED),
    (
        "the role 'king'",
        "role 为 'king'",
        {"messages": [{"role": "king", "content": "x"}]},
        REFUSED,
    ),
)


def test_bad_requests(serve, figures):
    engine = Scripted()
    with serve(engine) as caller:
        for english, chinese, fields, codes in BAD:
            what = say(english, chinese)
            failed(caller, engine, what, codes, caller.post(**fields))
            streamed = {} if "content" in fields else {"stream": True}
            failed(caller, engine, f"{what} (stream)", codes, caller.post(**fields, **streamed))
        long = [{"role": "user", "content": "ship " * 200}]
        what = say(f"205 + 100 tokens in a context of {engine.context}",
                   f"205 + 100 个 token，而上下文只有 {engine.context}")  # fmt: skip
        found = failed(caller, engine, what, (400, 422), caller.post(messages=long, max_tokens=100))
        assert found["code"] == "context_length_exceeded", say(
            f"{what}: the code is {found['code']!r}, not 'context_length_exceeded'",
            f"{what}：code 是 {found['code']!r}，应为 'context_length_exceeded'",
        )
        caller.good(messages=long, max_tokens=20)
    figures["refused"] = len(BAD) + 1


def test_two_at_once(serve):
    """Each gets the answer to their own question, and the server hears others meanwhile."""
    engine = Scripted(tuple(f"NAME{n} " for n in range(20)), pause_s=0.01)
    engine.hold_at = 3
    answers: dict[str, str] = {}

    def ask(caller: Caller, name: str) -> None:
        messages = [{"role": "user", "content": f"{name} asks"}]
        if name in "AC":
            answers[name] = caller.deltas(messages=messages)[0]
        else:
            body = json_of(caller.post(messages=messages))
            answers[name] = body["choices"][0]["message"]["content"] if body else ""

    with serve(engine) as caller:
        threads = [threading.Thread(target=ask, args=(caller, name)) for name in "ABCD"]
        for thread in threads:
            thread.start()
        wait(lambda: engine.made > 2)
        reply = caller.http.get("/v1/models", headers=bearer(KEY))
        made = engine.made
        engine.release.set()
        for thread in threads:
            thread.join(60)
    # What exactly comes out is chance where it is wrong: the messages leave it out.
    spoiled = [n for n in "ABCD" if answers.get(n) != "".join(f"{n}{k} " for k in range(20))]
    assert not spoiled, say(
        "four asked at once, and not everybody got the whole answer to their own question: the "
        "engine has one state, let one answer at a time into it",
        "四人同时提问，并非人人都得到自己问题的完整回答：引擎只有一份状态，一次只能生成一个回答",
    )
    assert reply.status_code == 200 and made < 20, say(
        "GET /v1/models was answered only after the first answer had ended: the engine blocks the "
        "event loop",
        "第一个回答结束之后，GET /v1/models 才得到回应：引擎堵住了事件循环",
    )


def test_leaves(serve):
    """Nobody reads any more: the engine rests, and serves the next one."""
    for way in ("stream", "whole"):
        engine = Scripted(("word ",) * 500, pause_s=0.05, context=2048)
        with serve(engine) as caller:
            if way == "stream":
                with caller.streaming(max_tokens=500, messages=[QUESTION]) as reply:
                    read = [line for line, _ in zip(data_lines(reply), range(3), strict=False)]
                assert len(read) == 3, say(
                    f"a streamed answer of 500 pieces ended after {len(read)} events",
                    f"500 个片段的流式回答，只来了 {len(read)} 个事件就结束了",
                )
            else:
                try:
                    reply = caller.http.post(
                        CHAT, headers=bearer(KEY), timeout=0.5,
                        json={"model": engine.name, "messages": [QUESTION], "max_tokens": 500},
                    )  # fmt: skip
                except httpx.TimeoutException:
                    pass
                else:
                    pytest.fail(say(
                        f"500 pieces take 25 s; the whole answer came at once: {reply.text[:160]}",
                        f"500 个片段要 25 秒，非流式回答却立刻来了：{reply.text[:160]}",
                    ))  # fmt: skip
            rested = wait(lambda engine=engine: rests(engine), 12)
            made = engine.made
            what = say(*{"stream": ("a streamed answer", "流式回答"),
                         "whole": ("an answer as a whole", "非流式回答")}[way])  # fmt: skip
            assert rested and made < 450, say(
                f"{what}: the client left, and many pieces later the engine still goes on",
                f"{what}：客户端已离开，又过了许多片段，引擎仍在继续",
            )
            engine.pause_s = 0
            body = caller.good(max_tokens=3)
            assert body["usage"]["completion_tokens"] == 3, say(
                "after a client that left, the next answer is not whole",
                "有客户端离开之后，下一个回答不完整",
            )


def rests(engine: Scripted) -> bool:
    before = engine.made
    time.sleep(1)
    return engine.made == before


def test_real_model(serve, figures):
    """The 135M model, at temperature 0: the server says what the engine says."""
    from exercises.week6.engine import load

    engine = load(repeatable=True)
    messages = [{"role": "user", "content": "What is a lighthouse for?"}]
    wanted = "".join(engine.stream(messages, 0, 24))
    with serve(engine) as caller:
        fields = {"model": engine.name, "messages": messages, "temperature": 0, "max_tokens": 24}
        body = caller.good(**fields)
        streamed, _ = caller.deltas(**fields)
    got = body["choices"][0]["message"]["content"]
    figures["completion_tokens"] = body["usage"]["completion_tokens"]
    assert (got, streamed) == (wanted, wanted), say(
        f"the model says {wanted!r}; the server says {got!r}, and streamed {streamed!r}",
        f"模型说的是 {wanted!r}；服务端返回 {got!r}，流式返回 {streamed!r}",
    )
