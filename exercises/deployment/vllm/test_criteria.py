"""Criteria of deployment/vllm: arithmetic and command lines on hidden configurations; the client
against a server on loopback that misbehaves on purpose. Waiting is counted, not timed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from exercises.deployment.misbehaving import HOLD_S, ODD, Server
from exercises.gap import call
from tutor.base.i18n import say

GUARD_S = 15
"""What any scenario may take; only a client that hangs comes near it."""


def shape(submission, layers=28, heads=28, kv_heads=4, head_dim=128, parameters=7_600_000_000,
          max_positions=32_768):  # fmt: skip
    return submission.ModelShape(layers, heads, kv_heads, head_dim, parameters, max_positions)


def test_sizing(submission, figures):
    for numbers, dtype, wanted in (((32, 32, 32, 128), "auto", 524_288),
                                   ((28, 28, 4, 128), "auto", 57_344),
                                   ((30, 9, 3, 64), "fp8", 11_520)):  # fmt: skip
        got = call("sizing", submission.kv_bytes_per_token, shape(submission, *numbers), dtype)
        assert got == wanted, say(
            f"{numbers[0]} layers, {numbers[1]} heads, {numbers[2]} KV heads of {numbers[3]}, "
            f"{dtype}: {got} bytes a token; it is {wanted}",
            f"{numbers[0]} 层、{numbers[1]} 个头、{numbers[2]} 个 KV 头、每头 {numbers[3]} 维、{dtype}：得到每 "
            f"token {got} 字节，应为 {wanted}",
        )
    cases = (  # by hand: share * 2**30 - weights, over bytes a token, in blocks of 16
        ({}, {}, 120_656, 29),
        ({}, {"kv_dtype": "fp8", "max_model_len": 4097}, 241_312, 58),
        ({}, {"tensor_parallel": 2}, 506_384, 123),
        ({}, {"tensor_parallel": 4, "gpu_memory_gib": 16.0}, 738_560, 180),
        ({"heads": 32, "kv_heads": 2}, {"tensor_parallel": 4, "max_model_len": 1000}, 1_277_824, 1267),
        ({}, {"gpu_memory_gib": 12.0}, 0, 0),
    )  # fmt: skip
    for of_shape, of_config, tokens, sequences in cases:
        model = shape(submission, **of_shape)
        config = submission.ServerConfig("m", **of_config)
        got = (call("sizing", submission.kv_cache_tokens, model, config),
               call("sizing", submission.max_sequences, model, config))  # fmt: skip
        figures |= {"tokens": got[0], "sequences": got[1]}
        assert got == (tokens, sequences), say(
            f"7.6 billion parameters with {of_shape | of_config}: {got[0]} tokens and {got[1]} "
            f"sequences fit; it is {tokens} and {sequences}",
            f"76 亿参数、{of_shape | of_config}：得到 {got[0]} 个 token、{got[1]} 条序列；应为 {tokens} 和 "
            f"{sequences}",
        )


GOOD = (
    {}, {"tensor_parallel": 2}, {"tensor_parallel": 28, "gpu_memory_utilization": 1.0},
    {"host": "0.0.0.0", "api_key": "k"}, {"engine": "tgi", "host": "0.0.0.0", "api_key": "k"},
    {"engine": "trtllm", "host": "localhost"}, {"lora": {"mine": "/a"}}, {"max_model_len": 32_768},
)  # fmt: skip
BAD = (
    ("port", {"port": 0}), ("port", {"port": 70_000}),
    ("gpu_memory_utilization", {"gpu_memory_utilization": 1.5}),
    ("gpu_memory_utilization", {"gpu_memory_utilization": 0.0}),
    ("tensor_parallel", {"tensor_parallel": 3}), ("tensor_parallel", {"tensor_parallel": 0}),
    ("max_model_len", {"max_model_len": 40_000, "gpu_memory_gib": 80.0}),
    ("max_model_len", {"max_model_len": 32_768, "gpu_memory_gib": 18.0}),
    ("max_model_len", {"gpu_memory_gib": 12.0}),
    ("api_key", {"host": "0.0.0.0"}), ("api_key", {"engine": "tgi", "host": "10.0.0.7"}),
    ("host", {"engine": "trtllm", "host": "0.0.0.0", "api_key": "k"}),
    ("lora", {"engine": "tgi", "lora": {"mine": "/a"}}),
)  # fmt: skip


def test_consistency(submission, figures):
    model = shape(submission)
    for settings in GOOD:
        found = call(
            "consistency", submission.problems, model, submission.ServerConfig("m", **settings)
        )
        assert not found, say(
            f"{settings} can run, but is refused: {found}",
            f"{settings} 可以运行，却被拒绝：{found}",
        )
    for number, (named, settings) in enumerate(BAD):
        found = submission.problems(model, submission.ServerConfig("m", **settings))
        figures["refused"] = number
        fields = [str(problem).partition(":")[0] for problem in found]
        assert fields == [named], say(
            f"{settings} cannot run because of {named}; the problems found are {found}",
            f"{settings} 因 {named} 无法运行；找到的问题是 {found}",
        )
    both = submission.ServerConfig("m", port=0, lora={"a": "/a"}, engine="tgi")
    fields = {str(problem).partition(":")[0] for problem in submission.problems(model, both)}
    assert fields == {"port", "lora"}, say(
        f"two problems, port and lora; found are {sorted(fields)}: a user wants to see all at once",
        f"有 port 和 lora 两个问题；找到的是 {sorted(fields)}：用户希望一次看全",
    )


def flags(arguments):
    """Return {flag: values}, the words before the first flag under "", --flag=value as two."""
    found, name = {"": []}, ""
    for word in arguments:
        assert isinstance(word, str), say(
            f"the argument {word!r} is no string", f"参数 {word!r} 不是字符串"
        )
        if word.startswith("--"):
            name, _, value = word.partition("=")
            found[name] = [value] if value else []
        else:
            found[name].append(word)
    return found


def test_command(submission):
    model = shape(submission)
    common = {"port": 9001, "max_model_len": 8192, "max_num_seqs": 12, "tensor_parallel": 2}
    secret = "s3cret key"
    vllm = {"": ["vllm", "serve", "org/m 1"], "--host": ["0.0.0.0"], "--port": ["9001"],
            "--dtype": ["float16"], "--kv-cache-dtype": ["fp8"], "--max-model-len": ["8192"],
            "--max-num-seqs": ["12"], "--gpu-memory-utilization": ["0.85"],
            "--tensor-parallel-size": ["2"], "--enable-lora": [],
            "--lora-modules": ["mine=/a b", "other=/c"]}  # fmt: skip
    tgi = {"": ["text-generation-launcher"], "--model-id": ["org/m 1"], "--hostname": ["127.0.0.1"],
           "--port": ["9001"], "--dtype": ["bfloat16"], "--max-input-tokens": ["8191"],
           "--max-total-tokens": ["8192"], "--max-concurrent-requests": ["12"],
           "--cuda-memory-fraction": ["0.9"], "--num-shard": ["2"]}  # fmt: skip
    trtllm = {"": ["trtllm-serve", "org/m 1"], "--host": ["127.0.0.1"], "--port": ["9001"],
              "--max_seq_len": ["8192"], "--max_batch_size": ["12"], "--tp_size": ["2"]}  # fmt: skip
    cases = (
        (vllm, {"host": "0.0.0.0", "api_key": secret, "dtype": "float16", "kv_dtype": "fp8",
                "gpu_memory_utilization": 0.85, "lora": {"mine": "/a b", "other": "/c"}},
         {"VLLM_API_KEY": secret}),
        (tgi, {"engine": "tgi", "api_key": secret}, {"API_KEY": secret}),
        (trtllm, {"engine": "trtllm"}, {}),
    )  # fmt: skip
    for wanted, settings, environment in cases:
        config = submission.ServerConfig("org/m 1", **common, **settings)
        arguments, variables = call("command", submission.server_command, model, config)
        got = flags(arguments)
        wrong = sorted(n for n in wanted.keys() | got.keys() if wanted.get(n) != got.get(n))
        assert not wrong, say(
            f"{config.engine}: {wrong[0] or 'the beginning'} is {got.get(wrong[0])}, "
            f"not {wanted.get(wrong[0])}" if wrong else "",
            f"{config.engine}：{wrong[0] or '开头'} 是 {got.get(wrong[0])}，应为 {wanted.get(wrong[0])}"
            if wrong else "",
        )  # fmt: skip
        assert variables == environment, say(
            f"{config.engine}: the environment is {variables}, not {environment}",
            f"{config.engine}：环境变量是 {variables}，应为 {environment}",
        )
    for _, settings in BAD[:3]:
        try:
            got = submission.server_command(model, submission.ServerConfig("m", **settings))
        except ValueError:
            continue
        pytest.fail(say(f"{settings} cannot run, but gives {got[0][:4]}…: it should raise ValueError",
                        f"{settings} 无法运行，却得到 {got[0][:4]}……：应抛出 ValueError"))  # fmt: skip


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


def messages(scenario):
    return [{"role": "user", "content": scenario}]


@pytest.fixture
def use(submission, server, criterion):
    """Run a coroutine function over a client of the learner's; a gap has its criterion's message."""

    def use(work, **options):
        async def whole():
            client = server.client(submission, **options)
            try:
                return await asyncio.wait_for(work(client), GUARD_S)
            finally:
                await client.close()

        return call(criterion, asyncio.run, whole())

    return use


def test_events(server, use, figures):
    got = use(lambda client: client.complete(messages("plain"), max_tokens=5, temperature=0))
    first, headers, body = server.requests[0]
    assert (
        first.startswith("POST /v1/chat/completions ")
        and headers.get("authorization") == "Bearer k3y"
    ), say(
        f"the request is {first!r} with authorization {headers.get('authorization')!r}",
        f"请求是 {first!r}，authorization 为 {headers.get('authorization')!r}",
    )
    wanted = {"model": "mine", "messages": messages("plain"), "stream": True, "max_tokens": 5,
              "temperature": 0}  # fmt: skip
    assert body == wanted, say(
        f"the body is {body}, not {wanted}", f"请求体是 {body}，应为 {wanted}"
    )
    assert got == "plain answer", say(
        f"the answer is {got!r}, not 'plain answer'", f"答案是 {got!r}，应为 'plain answer'"
    )
    got, wanted = use(lambda client: client.complete(messages("odd"))), "".join(ODD)
    same = next((n for n, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b),
                min(len(got), len(wanted)))  # fmt: skip
    figures["same"] = same
    assert got == wanted, say(
        f"sent in pieces of 7 bytes with comments, CRLF and a usage event, the answer is {got!r}; "
        f"it is {wanted!r}, and character {same + 1} is the first that differs",
        f"以 7 字节为一块发送，夹有注释、CRLF 和 usage 事件，得到 {got!r}；应为 {wanted!r}，"
        f"第 {same + 1} 个字符开始不同",
    )


def test_live(server, use):
    async def read(client):
        pieces = []
        async for piece in client.stream(messages("held")):
            server.read.set()
            pieces.append(piece)
        return pieces

    pieces = use(read)
    assert not server.buffered, say(
        f"the server waited {HOLD_S:g} s after its first piece and nobody had read it: the answer "
        "comes as a whole",
        f"服务器发出第一段后等了 {HOLD_S:g} 秒也没人读：答案是整个到达的",
    )
    assert pieces == ["first ", "second"], say(
        f"the pieces are {pieces}, not ['first ', 'second']",
        f"片段是 {pieces}，应为 ['first ', 'second']",
    )


def outcome(use, submission, scenario, **options):
    """The answer, or the error that the client raised."""

    async def work(client):
        try:
            return await client.complete(messages(scenario))
        except (submission.ApiError, httpx.HTTPError) as error:
            return error

    return use(work, **options)


@pytest.fixture
def tried(submission, server, use):
    """Play a scenario: (answer or error, requests, waits)."""

    def tried(scenario, **options):
        server.requests.clear()
        server.waits.clear()
        got = outcome(use, submission, scenario, **options)
        return got, len(server.requests), list(server.waits)

    return tried


def test_retries(submission, tried, figures):
    cases = (("status:429:7", 2, [7]), ("status:503|503|429", 4, [0.5, 1, 2]),
             ("status:429:0|503:2.5", 3, [0, 2.5]))  # fmt: skip
    for scenario, count, waits in cases:
        got, requests, waited = tried(scenario)
        figures["requests"] = requests
        assert (got, requests, waited) == ("plain answer", count, waits), say(
            f"{scenario} (status:Retry-After, then 200): {got!r} after {requests} requests and "
            f"waits of {waited}; it is 'plain answer', {count} and {waits}",
            f"{scenario}（状态:Retry-After，之后 200）：得到 {got!r}，请求 {requests} 次，等待 {waited}；"
            f"应为 'plain answer'、{count} 次、{waits}",
        )
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    got, _, waited = tried(f"status:429:{date}")
    assert got == "plain answer" and len(waited) == 1 and 3400 < waited[0] <= 3601, say(
        f"Retry-After: {date} is in an hour; waited were {waited} s, and {got!r} came out",
        f"Retry-After: {date} 是一小时之后；实际等待 {waited} 秒，得到 {got!r}",
    )
    got, requests, _ = tried("status:503|503|503|503|503|503", retries=2)
    status = getattr(got, "status", None)
    assert (status, requests) == (503, 3), say(
        f"a server that stays busy, retries=2: {got!r} after {requests} requests; it is an "
        "ApiError with status 503 after 3",
        f"服务器一直繁忙、retries=2：{requests} 次请求后得到 {got!r}；应在 3 次后抛出 status 为 503 的 ApiError",
    )


def test_errors(submission, tried):
    for scenario in ("status:400", "status:404", "status:500:1"):
        got, requests, _ = tried(scenario)
        wanted = int(scenario.split(":")[1])
        assert (getattr(got, "status", None), requests) == (wanted, 1), say(
            f"{scenario}: {got!r} after {requests} requests; it is an ApiError with status "
            f"{wanted} after one",
            f"{scenario}：{requests} 次请求后得到 {got!r}；应在一次后抛出 status 为 {wanted} 的 ApiError",
        )
        assert "no such model" in str(got), say(
            f"the server said 'no such model: mine'; the error says {str(got)!r}",
            f"服务器说的是 'no such model: mine'；错误信息却是 {str(got)!r}",
        )
    for scenario, en, zh in (("error", "holds an error event", "里有一个错误事件"),
                             ("cut", "ends without [DONE]", "没有 [DONE] 就断了")):  # fmt: skip
        got, requests, _ = tried(scenario)
        assert isinstance(got, submission.ApiError) and requests == 1, say(
            f"the stream {en} after 'half an '; the client gives {got!r}, and made {requests} "
            "requests; it is an ApiError after one",
            f"流在 'half an ' 之后{zh}；客户端得到 {got!r}，请求了 {requests} 次；应在一次后抛出 ApiError",
        )
    assert "CUDA" in str(tried("error")[0]), say(
        "the error event said 'CUDA out of memory'; the ApiError does not say so",
        "错误事件说的是 'CUDA out of memory'；ApiError 里却没有",
    )


def test_silence(tried, use, submission):
    try:
        got, _, _ = tried("silent", timeout=0.5)
    except TimeoutError:
        got = None
    assert isinstance(got, httpx.TimeoutException), say(
        f"the server fell silent after its first piece, timeout=0.5: after {GUARD_S} s at most "
        f"came {got!r}, not an httpx.TimeoutException",
        f"服务器发出第一段后不再响应，timeout=0.5：最多等 {GUARD_S} 秒后得到 {got!r}，而不是 "
        "httpx.TimeoutException",
    )


def test_bounded(server, use, figures):
    server.crowd = 3
    conversations = [messages(f"crowd {number}") for number in range(8)]
    got = use(lambda client: client.complete_all(conversations), at_once=3)
    figures["at_once"] = server.peak
    assert server.peak == 3, say(
        f"at_once=3 and 8 conversations: at most {server.peak} requests were under way together",
        f"at_once=3、8 段对话：同时进行的请求最多有 {server.peak} 个",
    )
    wanted = [f"answer {number}" for number in range(8)]
    assert list(got) == wanted, say(
        f"the answers are {got}, not in the order of the conversations",
        f"答案是 {got}，没有按对话的顺序",
    )
