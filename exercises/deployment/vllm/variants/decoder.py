# Another style: an incremental decoder, a work queue in the place of gather, options from a table,
# --flag=value, exact arithmetic with fractions.

# %%
import asyncio
import codecs
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil, floor

import httpx


@dataclass(frozen=True)
class ModelShape:
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    parameters: int
    max_positions: int


@dataclass(frozen=True)
class ServerConfig:
    model: str
    engine: str = "vllm"
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str = ""
    dtype: str = "bfloat16"
    kv_dtype: str = "auto"
    max_model_len: int = 4096
    max_num_seqs: int = 16
    gpu_memory_gib: float = 24.0
    gpu_memory_utilization: float = 0.9
    overhead_gib: float = 1.0
    tensor_parallel: int = 1
    lora: dict[str, str] = field(default_factory=dict)


# %%
def kv_bytes_per_token(shape, kv_dtype):
    size = {"auto": 2, "fp8": 1}[kv_dtype]
    return sum(size * shape.kv_heads * shape.head_dim for _ in "kv") * shape.layers


def _blocks(shape, config):
    memory = Fraction(str(config.gpu_memory_gib)) * Fraction(str(config.gpu_memory_utilization))
    free = (memory - Fraction(str(config.overhead_gib))) * 1024**3
    free -= Fraction(2 * shape.parameters, config.tensor_parallel)
    heads = max(1, shape.kv_heads // config.tensor_parallel)
    one_head = kv_bytes_per_token(shape, config.kv_dtype) // shape.kv_heads
    return max(0, floor(free / (16 * one_head * heads)))


def kv_cache_tokens(shape, config):
    return 16 * _blocks(shape, config)


def max_sequences(shape, config):
    return _blocks(shape, config) // ceil(config.max_model_len / 16)


# %%
def problems(shape, config):
    wrong = {}
    if config.port not in range(1, 65536):
        wrong["port"] = "out of range"
    share = config.gpu_memory_utilization
    if share <= 0 or share > 1:
        wrong["gpu_memory_utilization"] = "must be in (0, 1]"
    gpus, kv = config.tensor_parallel, shape.kv_heads
    fits = gpus > 0 and shape.heads % gpus == 0 and 0 in (kv % gpus, gpus % kv)
    if not fits:
        wrong["tensor_parallel"] = "heads cannot be divided"
    if config.max_model_len > shape.max_positions:
        wrong["max_model_len"] = "beyond the model's positions"
    elif not wrong and not max_sequences(shape, config):
        wrong["max_model_len"] = "no room for one sequence"
    outside = not re.fullmatch(r"127\.0\.0\.1|localhost|::1", config.host)
    if outside and config.engine == "trtllm":
        wrong["host"] = "no key possible"
    elif outside and not config.api_key:
        wrong["api_key"] = "missing"
    if config.lora and config.engine != "vllm":
        wrong["lora"] = "vLLM only"
    return [f"{name}: {why}" for name, why in wrong.items()]


def server_command(shape, config):
    wrong = problems(shape, config)
    if wrong:
        raise ValueError("\n".join(wrong))
    c = config
    start, options, key = {
        "vllm": (["vllm", "serve", c.model], {
            "host": c.host, "port": c.port, "dtype": c.dtype, "kv-cache-dtype": c.kv_dtype,
            "max-model-len": c.max_model_len, "max-num-seqs": c.max_num_seqs,
            "gpu-memory-utilization": c.gpu_memory_utilization,
            "tensor-parallel-size": c.tensor_parallel}, "VLLM_API_KEY"),
        "tgi": (["text-generation-launcher"], {
            "model-id": c.model, "hostname": c.host, "port": c.port, "dtype": c.dtype,
            "max-total-tokens": c.max_model_len, "max-input-tokens": c.max_model_len - 1,
            "max-concurrent-requests": c.max_num_seqs, "num-shard": c.tensor_parallel,
            "cuda-memory-fraction": c.gpu_memory_utilization}, "API_KEY"),
        "trtllm": (["trtllm-serve", c.model], {
            "host": c.host, "port": c.port, "max_seq_len": c.max_model_len,
            "max_batch_size": c.max_num_seqs, "tp_size": c.tensor_parallel}, None),
    }[c.engine]  # fmt: skip
    words = start + [f"--{name}={value}" for name, value in options.items()]
    if c.lora:
        words += ["--lora-modules", *map("=".join, c.lora.items()), "--enable-lora"]
    return words, ({key: c.api_key} if c.api_key and key else {})


# %%
class ApiError(Exception):
    def __init__(self, status, message):
        Exception.__init__(self, message)
        self.status = status


class Client:
    def __init__(
        self, base_url, model, api_key="", timeout=60.0, retries=4, at_once=8, sleep=asyncio.sleep
    ):
        self.client = httpx.AsyncClient(base_url=base_url, timeout=httpx.Timeout(timeout))
        if api_key:
            self.client.headers["Authorization"] = "Bearer " + api_key
        self.model, self.retries, self.at_once, self.sleep = model, retries, at_once, sleep
        self.slots = asyncio.BoundedSemaphore(at_once)

    async def close(self):
        await self.client.aclose()

    async def _open(self, body):
        """Return a response with status 200 whose body is still to be read."""
        left = self.retries
        while True:
            request = self.client.build_request("POST", "chat/completions", json=body)
            reply = await self.client.send(request, stream=True)
            if reply.status_code == 200:
                return reply
            text = (await reply.aread()).decode(errors="replace")
            await reply.aclose()
            if reply.status_code not in {429, 503} or not left:
                raise ApiError(reply.status_code, text)
            pause = 2.0 ** (self.retries - left - 1)
            after = reply.headers.get("Retry-After", "")
            if re.fullmatch(r"[\d.]+", after):
                pause = float(after)
            elif after:
                due = datetime.strptime(after, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
                pause = max(0, due.timestamp() - time.time())
            left -= 1
            await self.sleep(pause)

    async def stream(self, messages, **options):
        async with self.slots:
            reply = await self._open(
                {"stream": True, "messages": messages, "model": self.model} | options
            )
            try:
                decoder, text = codecs.getincrementaldecoder("utf-8")(), ""
                async for chunk in reply.aiter_raw():
                    text += decoder.decode(chunk)
                    while "\n" in text:
                        line, _, text = text.partition("\n")
                        found = re.match(r"data: ?(.*)", line.rstrip("\r"), re.DOTALL)
                        if not found:
                            continue
                        if found[1] == "[DONE]":
                            return
                        event = json.loads(found[1])
                        if "error" in event:
                            raise ApiError(200, str(event["error"]))
                        if event.get("choices"):
                            piece = event["choices"][0].get("delta", {}).get("content")
                            if piece:
                                yield piece
                raise ApiError(200, "cut off")
            finally:
                await reply.aclose()

    async def complete(self, messages, **options):
        text = ""
        async for piece in self.stream(messages, **options):
            text += piece
        return text

    async def complete_all(self, conversations, **options):
        waiting = list(enumerate(conversations))[::-1]
        answers = {}

        async def work():
            while waiting:
                number, messages = waiting.pop()
                answers[number] = await self.complete(messages, **options)

        async with asyncio.TaskGroup() as group:
            for _ in range(self.at_once):
                group.create_task(work())
        return [answers[number] for number in range(len(conversations))]
