"""Servers in place of the engine: what they refuse, break off, hold back and get wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from scripted import (
    ANSWER,
    FewPassages,
    Reply,
    ScriptedServer,
    answer_of,
    asks_for_a_step,
    passage,
    run,
)

from tutor import agent, engine
from tutor.agent import steps, tools
from tutor.agent.evidence import Evidence
from tutor.base import settings as settings_
from tutor.base.errors import Exit
from tutor.engine import EngineError, client

LORA = "LoRA freezes the pretrained weights and trains two low-rank matrices A and B."
SAID = "LoRA freezes the pretrained weights."
SCHEMA = {"type": "object", "properties": {"action": {"const": "answer"}}, "required": ["action"]}
MESSAGES = [engine.Message(role="user", content="how?")]


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "_known_format", {})


def said_by(server: ScriptedServer, **options) -> str:  # type: ignore[no-untyped-def]
    """Return what one request brings."""

    async def complete() -> str:
        async with engine.ChatClient(engine.Endpoint(server.url, "key-1", "m", False)) as chat:
            return await chat.complete(MESSAGES, **{"max_tokens": 50} | options)

    with server:
        return asyncio.run(asyncio.wait_for(complete(), 20))


def event(text: str, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, **more}
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"


END = b"data: [DONE]\n\n"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(home, status) -> None:
    server = ScriptedServer(SAID, first=[Reply(status=status), Reply(status=status)])
    assert said_by(server) == SAID
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [429, 500])
def test_a_server_that_stays_busy_is_given_up(home, status) -> None:
    server = ScriptedServer(Reply(status=status))
    with pytest.raises(EngineError, match=str(status)) as error:
        said_by(server)
    assert "Ask again" in error.value.hint
    assert len(server.requests) == client.TRIES


def test_retry_after_is_kept_to(home) -> None:
    server = ScriptedServer(SAID, first=[Reply(status=429, headers={"Retry-After": "1"})])
    began = time.monotonic()
    assert said_by(server) == SAID
    assert 1 <= time.monotonic() - began < 5


@pytest.mark.parametrize("asked", ["3600", "inf"])
def test_a_long_retry_after_is_told_not_waited_for(home, asked) -> None:
    server = ScriptedServer(Reply(status=429, headers={"Retry-After": asked}))
    with pytest.raises(EngineError) as error:
        said_by(server)
    assert asked in error.value.hint and len(server.requests) == 1


@pytest.mark.parametrize("asked", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "-5", "nan"])
def test_an_odd_retry_after_is_no_obstacle(home, asked) -> None:
    server = ScriptedServer(SAID, first=[Reply(status=429, headers={"Retry-After": asked})])
    assert said_by(server) == SAID


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_final_and_keeps_the_key_to_itself(home, status) -> None:
    server = ScriptedServer(Reply(status=status, raw=b"wrong key: key-1\x1b[2J"))
    with pytest.raises(EngineError, match=str(status)) as error:
        said_by(server)
    assert "key-1" not in error.value.message and "\x1b" not in error.value.message
    assert len(server.requests) == 1
    if status == 404:
        assert "/v1" in error.value.hint


@pytest.mark.parametrize(
    "reply", [Reply(SAID, cut=True), Reply(raw=event("LoRA fre") + b"data: {")]
)
def test_a_stream_that_is_cut_off_is_an_error(home, reply) -> None:
    with pytest.raises(EngineError, match="does not answer"):
        said_by(ScriptedServer(reply))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(stall_s=30),
        Reply("LoRA", stall_s=30),
        Reply(raw=b": ping\n\n" * 3, stall_s=30),
    ],
    ids=["at once", "in the middle", "pinging"],
)
def test_a_server_that_stalls_is_an_error_in_time(home, monkeypatch, reply) -> None:
    monkeypatch.setattr(client, "READ_TIMEOUT_S", 0.5)
    began = time.monotonic()
    with pytest.raises(EngineError, match="in time") as error:
        said_by(ScriptedServer(reply))
    assert error.value.code == Exit.TIMED_OUT
    assert time.monotonic() - began < 10


def test_keep_alive_lines_do_not_keep_a_stall_alive(home, monkeypatch) -> None:
    monkeypatch.setattr(client, "READ_TIMEOUT_S", 0.5)

    class Pinging(ScriptedServer):
        def _answer(self, handler, reply) -> None:  # type: ignore[no-untyped-def]
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.end_headers()
            while not self.leaving.wait(0.1):
                try:
                    handler.wfile.write(b": ping\n\n")
                except ConnectionError:
                    return

    with pytest.raises(EngineError, match="in time"):
        said_by(Pinging(SAID))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=b"<html><body>It works!</body></html>", kind="text/html"),
        Reply(raw=b"", kind="text/plain"),
        Reply(raw=b"\x00\xff\xfe" * 1000),
        Reply(raw=b"data: nonsense\n\ndata: [1, 2]\n\ndata: 7\n\ndata: null\n\n"),
        Reply(raw=b'data: {"choices": "none"}\n\ndata: {"choices": [[]]}\n\n'),
        Reply(raw=b'{"detail": "use POST /api"}', kind="application/json"),
        Reply(raw=b"x" * 3_000_000),
    ],
    ids=["html", "empty", "binary", "no objects", "wrong shapes", "other json", "no line end"],
)
def test_a_server_that_speaks_something_else_is_told(home, reply) -> None:
    with pytest.raises(EngineError, match="chat server") as error:
        said_by(ScriptedServer(reply))
    assert "/v1" in error.value.hint


@pytest.mark.parametrize(
    "raw",
    [
        b": comment\n\nevent: message\nid: 1\n"
        + event("Lo")
        + b"\n\n: ping\n\n"
        + event("RA")
        + END,
        (event("Lo") + event("RA") + END).replace(b"\n", b"\r\n"),
        (event("Lo") + event("RA") + END).replace(b"data: ", b"data:"),
        event("Lo") + b"data: {broken\n\ndata: 3\n\n" + event("RA") + END,
        b'data: {"choices": []}\n\n' + event("Lo") + event("RA") + b'data: {"usage": {}}\n\n' + END,
        event("Lo") + event("RA", finish_reason="stop"),
        event("Lo") + event("RA", finish_reason="length") + b"data: [DONE]",
        event("Lo", logprobs=None) + b'data: {"choices": [{"delta": {}}]}\n\n' + event("RA") + END,
        event("Lo") + b'data: {"choices": [{"delta": null}]}\n\n' + event("RA") + END,
        event("Lo") + event("\x1b[31m\u200b\x00") + event("RA") + END,
        event("Lo") + event("RA") + END + event("after the end"),
    ],
)
def test_a_stream_is_read_whatever_stands_between(home, raw) -> None:
    assert said_by(ScriptedServer(Reply(raw=raw))) == "LoRA"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>\nThe user asks.\n</think>\n\nLoRA", "LoRA"),
        ("  <think></think>LoRA <think> is a tag", "LoRA <think> is a tag"),
        ("<thin ice", "<thin ice"),
    ],
)
def test_a_reasoning_models_thoughts_are_not_the_answer(home, text, said) -> None:
    assert said_by(ScriptedServer(Reply(text))) == said
    assert said_by(ScriptedServer(Reply(raw=event(text) + END))) == said


@pytest.mark.parametrize(
    "text", ["<think>", "<think>\nit never comes to an end", " <think>a</thin"]
)
def test_a_thought_without_an_answer_is_told(home, text) -> None:
    with pytest.raises(EngineError, match="came to no answer") as error:
        run("what does LoRA freeze?", FewPassages(LORA), Reply(text))
    assert "another model" in error.value.hint


THOUGHT = b'data: {"choices": [{"delta": {"reasoning_content": "The user asks."}}]}\n\n'


def test_thoughts_that_a_server_keeps_apart_are_no_answer_either(home) -> None:
    assert said_by(ScriptedServer(Reply(raw=THOUGHT + event("LoRA") + END))) == "LoRA"
    with pytest.raises(EngineError, match="came to no answer"):
        said_by(ScriptedServer(Reply(raw=THOUGHT + END)))


def test_line_separators_within_a_piece_do_not_part_it(home) -> None:
    piece = '{"choices": [{"delta": {"content": "a\u2028b\u0085c"}}]}'
    server = ScriptedServer(Reply(raw=f"data: {piece}\n\n".encode() + END))
    assert said_by(server) == "a\u2028bc"


def test_a_character_that_is_split_between_chunks_is_whole(home) -> None:
    class Dripping(ScriptedServer):
        def _answer(self, handler, reply) -> None:  # type: ignore[no-untyped-def]
            handler.send_response(200)
            handler.end_headers()
            whole = b'data: {"choices": [{"delta": {"content": "\xe4\xbd\x8e\xe7\xa7\xa9"}}]}\n\n'
            for at in range(0, len(whole), 5):
                handler.wfile.write(whole[at : at + 5])
                handler.wfile.flush()
            handler.wfile.write(END)

    assert said_by(Dripping(SAID)) == "低秩"


def test_a_server_that_does_not_stream_is_understood(home) -> None:
    whole = {"choices": [{"message": {"content": SAID}, "finish_reason": "stop"}]}
    body = json.dumps(whole, indent=2).encode()
    assert said_by(ScriptedServer(Reply(raw=body, kind="application/json"))) == SAID


def test_an_error_in_the_stream_is_told_in_its_words(home) -> None:
    raw = event("Lo") + b'data: {"error": {"message": "out of\\u001b[2J memory"}}\n\n'
    with pytest.raises(EngineError, match="out of memory"):
        said_by(ScriptedServer(Reply(raw=raw)))


def test_a_server_that_does_not_stop_is_left(home) -> None:
    server = ScriptedServer(Reply("word " * 20_000))
    assert len(said_by(server, max_tokens=10)) < 10 * 40


@pytest.mark.parametrize(
    ("refuses", "tried"),
    [
        ((), ["json_schema"]),
        (("json_schema",), ["json_schema", "json_object"]),
        (("json_schema", "json_object"), ["json_schema", "json_object", None]),
    ],
)
def test_a_refused_schema_falls_back_and_is_remembered(home, refuses, tried) -> None:
    server = ScriptedServer(SAID, [ANSWER], refuses=refuses)

    async def twice() -> None:
        endpoint = engine.Endpoint(server.url, "", "m", False)
        asking = [engine.Message(role="user", content='Reply like {"action": "answer"}.')]
        for _ in range(2):
            async with engine.ChatClient(endpoint) as chat:
                assert await chat.complete(asking, max_tokens=9, schema=SCHEMA) == ANSWER

    with server:
        asyncio.run(twice())
    kinds = [r.get("response_format", {}).get("type") for r in server.requests]
    assert kinds == [*tried, tried[-1]]


def test_what_refuses_everything_is_not_remembered(home) -> None:
    server = ScriptedServer(Reply(status=400), first=[Reply(status=400)] * 2)
    with pytest.raises(EngineError, match="400"):
        said_by(server, schema=SCHEMA)
    assert len(server.requests) == 3 and client._known_format == {}


def test_a_question_is_answered_without_any_schema(home) -> None:
    """The parser reads the step out of prose, as models without a schema write it."""
    wordy = 'Thought: I should search.\n```json\n{"name": "search", "arguments": {"query": "rank"}}\n```'
    kb = FewPassages(LORA)
    kb.more = {"rank": [passage(2, "The rank decides the size of A and B.")]}
    server = ScriptedServer(SAID, [wordy, ANSWER], refuses=("json_schema", "json_object"))
    events, _ = run("how?", kb, SAID, server=server)
    assert [e.arguments for e in events if isinstance(e, agent.ToolCall)] == [{"query": "rank"}]
    assert answer_of(events).covered


@pytest.mark.parametrize(
    "nonsense", ["", "I am a llama.", "{" * 3000, '{"action": "fly"}', "\x00是"]
)
def test_a_model_that_answers_nonsense_still_ends(home, nonsense) -> None:
    events, server = run("how?", FewPassages(LORA), nonsense, nonsense)
    answer = answer_of(events)
    assert not answer.covered and [p.text for p in answer.nearest] == [LORA]
    assert sum(asks_for_a_step(r) for r in server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=500), "500"),
        (Reply(status=429), "429"),
        (Reply("LoRA freezes", cut=True), "does not answer"),
        (Reply(raw=b"<html>", kind="text/html"), "chat server"),
        (Reply("LoRA freezes", stall_s=30), "in time"),
    ],
)
def test_a_question_ends_with_what_went_wrong(home, monkeypatch, reply, said) -> None:
    monkeypatch.setattr(client, "READ_TIMEOUT_S", 0.5)
    with pytest.raises(EngineError, match=said):
        run("how?", FewPassages(LORA), reply)


def test_a_question_survives_a_busy_moment(home) -> None:
    server = ScriptedServer(SAID, [ANSWER], first=[Reply(status=503), Reply(status=429)])
    assert answer_of(run("how?", FewPassages(LORA), SAID, server=server)[0]).covered


@pytest.mark.parametrize(
    ("models", "used"),
    [
        (["llama3:8b", "qwen3"], "llama3:8b"),
        (["nomic-embed-text", "qwen3"], "qwen3"),
        (["only-embeddings"], "only-embeddings"),
        ([], "default"),
        (None, "default"),
    ],
)
def test_the_served_model_is_found(home, models, used) -> None:
    server = ScriptedServer(SAID, [ANSWER], models=models)
    events, _ = run("what does LoRA freeze and train?", FewPassages(LORA), SAID, server=server)
    assert {r["model"] for r in server.requests} == {used}
    assert answer_of(events).model == used


def test_a_model_that_was_set_is_not_looked_for(home) -> None:
    server = ScriptedServer(SAID, [ANSWER], models=["other"])
    run("what does LoRA freeze and train?", FewPassages(LORA), SAID, server=server, model="mine")
    assert {r["model"] for r in server.requests} == {"mine"}


def test_a_server_that_is_not_there_is_told(home) -> None:
    with pytest.raises(EngineError, match="does not answer"):
        engine.ensure(replace(settings_.load(), base_url="http://127.0.0.1:9/v1"))


@pytest.mark.parametrize("model", ["", "llama3"])
def test_an_address_that_is_none_is_told(home, model) -> None:
    other = replace(settings_.load(), base_url="http://localhost:abc/v1", model=model)
    with pytest.raises(EngineError, match="base_url is not an address") as error:
        engine.ensure(other)
    assert error.value.code is Exit.USAGE


@pytest.fixture
def real(home, smollm2) -> Iterator[engine.Endpoint]:
    """llama-cpp-python's server with the 135M model."""
    yield engine.ensure(settings_.load())
    engine.stop()


def offers() -> list[steps.Offer]:
    """The tools on offer for questions of each kind."""
    questions = (
        "how?",
        "how do I go on with my exercise in week 5?",
        "how many bytes are 8 weights of 4096 in week 5, in English sources?",
        "我的练习和第 5 周的课文怎么看？",
    )
    passages = [passage(1, LORA), passage(2, "Double quantization saves 0.37 bits.")]
    return [tools.offer(Evidence(q, "en", None, list(passages))) for q in questions]  # type: ignore[arg-type]


@pytest.mark.parametrize("local", [True, False], ids=["as the engine", "as another server"])
def test_the_smallest_model_writes_valid_steps(real, local) -> None:
    """As another server it refuses OpenAI's json_schema, and is asked in its own way."""

    async def decide() -> list[tuple[str, steps.Offer]]:
        replies = []
        async with engine.ChatClient(replace(real, local=local)) as chat:
            for offer in offers():
                asking = [engine.Message(role="user", content="Choose the next step as JSON: how?")]
                schema = steps.schema(offer)
                reply = await chat.complete(asking, max_tokens=96, schema=schema, temperature=0.8)
                replies.append((reply, offer))
        return replies

    for reply, offer in asyncio.run(decide()):
        assert steps.parse(reply, offer) is not None, reply
    if not local:
        assert client._known_format == {real.base_url: 1}


@pytest.mark.slow
def test_with_the_smallest_model_nothing_breaks(real) -> None:
    """Whole questions: every event in its place, an answer or an honest "not covered"."""

    async def ask(question: str) -> list[agent.Event]:
        kb = FewPassages(LORA, "Double quantization saves on average 0.37 bits per parameter.")
        return [e async for e in agent.ask(question, kb, settings=settings_.load())]  # type: ignore[arg-type]

    for question in ("how?", "怎么做？", "how far am I?", "what is 768*12/3?", "how do I start?"):
        answer = answer_of(asyncio.run(ask(question)))
        assert answer.text and answer.steps <= 3
        assert answer.covered == bool(answer.citations)
