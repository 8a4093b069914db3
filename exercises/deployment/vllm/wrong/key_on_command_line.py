# caught by: command
# The key is an argument, for every user of the machine to read.
# %% [markdown]
# # vLLM, TGI, TensorRT-LLM: configuration and client
#
# The three engines need a GPU, and so none of them runs here. What decides whether they run well
# there is arithmetic (does the KV cache fit?), a command line, and a client that survives a server
# under load. All of that is written and tested without a GPU.

# %%
import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx

# %% [markdown]
# ## Given: what there is to configure


# %%
@dataclass(frozen=True)
class ModelShape:
    """Of config.json: heads ask, kv_heads are asked (fewer with grouped-query attention)."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    parameters: int
    max_positions: int


@dataclass(frozen=True)
class ServerConfig:
    """gpu_memory_gib, overhead_gib (activations, CUDA graphs): of one GPU. gpu_memory_utilization:
    the share of a GPU's memory that the engine may take in all. lora: adapters by name.
    """

    model: str
    engine: Literal["vllm", "tgi", "trtllm"] = "vllm"
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str = ""
    dtype: Literal["bfloat16", "float16"] = "bfloat16"
    kv_dtype: Literal["auto", "fp8"] = "auto"
    max_model_len: int = 4096
    max_num_seqs: int = 16
    gpu_memory_gib: float = 24.0
    gpu_memory_utilization: float = 0.9
    overhead_gib: float = 1.0
    tensor_parallel: int = 1
    lora: dict[str, str] = field(default_factory=dict)


GIB = 2**30
BLOCK = 16  # tokens of a page of the KV cache
WEIGHT_BYTES = 2  # of bfloat16 and float16

# %% [markdown]
# ## Sizing the KV cache


# %%
def kv_bytes_per_token(shape: ModelShape, kv_dtype: str) -> int:
    """Return the bytes that one token's keys and values take in all layers: "auto" is 2 bytes a
    number, "fp8" 1."""
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * (1 if kv_dtype == "fp8" else 2)


def kv_cache_tokens(shape: ModelShape, config: ServerConfig) -> int:
    """Return the tokens that the KV cache holds, in whole blocks; 0 where nothing fits.

    A GPU's share of the memory, less its part of the weights (1 / tensor_parallel) and the
    overhead, is for the cache. KV heads are divided among the GPUs too; where there are more GPUs
    than heads, each GPU holds one, and some heads are there several times.
    """
    weights = shape.parameters * WEIGHT_BYTES / config.tensor_parallel
    share = config.gpu_memory_gib * config.gpu_memory_utilization - config.overhead_gib
    free = share * GIB - weights
    heads_here = max(1, shape.kv_heads // config.tensor_parallel)
    per_token = kv_bytes_per_token(shape, config.kv_dtype) / shape.kv_heads * heads_here
    return max(0, int(free // (per_token * BLOCK))) * BLOCK


def max_sequences(shape: ModelShape, config: ServerConfig) -> int:
    """Return how many sequences of max_model_len tokens fit at once, each in whole blocks."""
    blocks_each = -(-config.max_model_len // BLOCK)
    return kv_cache_tokens(shape, config) // BLOCK // blocks_each


# %% [markdown]
# ## Consistency


# %%
def problems(shape: ModelShape, config: ServerConfig) -> list[str]:
    """Return what is wrong with a configuration, each as "field: why"; empty where it can run.

    port: 1 to 65535. gpu_memory_utilization: above 0, at most 1. max_model_len: at most
    max_positions, and one such sequence must fit. tensor_parallel: divides heads; and it divides
    kv_heads, or is a multiple of them. api_key: needed where host is not loopback; trtllm-serve
    has none, so that there it is the host that must be loopback. lora: vLLM only.
    """
    found = []
    if not 1 <= config.port <= 65535:
        found.append(f"port: {config.port} is none")
    if not 0 < config.gpu_memory_utilization <= 1:
        found.append(f"gpu_memory_utilization: {config.gpu_memory_utilization} is no share")
    parallel, kv = config.tensor_parallel, shape.kv_heads
    if parallel < 1 or shape.heads % parallel or (kv % parallel and parallel % kv):
        found.append(f"tensor_parallel: {parallel} does not divide {shape.heads} and {kv} heads")
    if config.max_model_len > shape.max_positions:
        found.append(f"max_model_len: the model knows {shape.max_positions} positions")
    elif not found and max_sequences(shape, config) < 1:
        fitting = kv_cache_tokens(shape, config)
        found.append(f"max_model_len: {config.max_model_len}, but {fitting} tokens fit")
    if config.host not in ("127.0.0.1", "localhost", "::1"):
        if config.engine == "trtllm":
            found.append("host: trtllm-serve asks for no key; put a proxy before it")
        elif not config.api_key:
            found.append("api_key: strangers could use a server on " + config.host)
    if config.lora and config.engine != "vllm":
        found.append(f"lora: not by name with {config.engine}; merge the adapter")
    return found


# %% [markdown]
# ## The command line


# %%
def server_command(shape: ModelShape, config: ServerConfig) -> tuple[list[str], dict[str, str]]:
    """Return (arguments, environment) that start the server.

    Raises ValueError with all problems. The key goes into the environment (VLLM_API_KEY, for TGI
    API_KEY): a command line is there for every user of the machine to read.
    """
    if wrong := problems(shape, config):
        raise ValueError("; ".join(wrong))
    build = {"vllm": _vllm, "tgi": _tgi, "trtllm": _trtllm}[config.engine]
    return [*build(config), *(["--api-key", config.api_key] if config.api_key else [])], {}


def _vllm(config: ServerConfig) -> list[str]:
    arguments = ["vllm", "serve", config.model, "--host", config.host, "--port", str(config.port)]
    arguments += ["--dtype", config.dtype, "--kv-cache-dtype", config.kv_dtype]
    arguments += ["--max-model-len", str(config.max_model_len)]
    arguments += ["--max-num-seqs", str(config.max_num_seqs)]
    arguments += ["--gpu-memory-utilization", str(config.gpu_memory_utilization)]
    arguments += ["--tensor-parallel-size", str(config.tensor_parallel)]
    if config.lora:
        modules = [f"{name}={path}" for name, path in config.lora.items()]
        arguments += ["--enable-lora", "--lora-modules", *modules]
    return arguments


def _tgi(config: ServerConfig) -> list[str]:
    arguments = ["text-generation-launcher", "--model-id", config.model]
    arguments += ["--hostname", config.host, "--port", str(config.port), "--dtype", config.dtype]
    # One place must be left for an answer.
    arguments += ["--max-input-tokens", str(config.max_model_len - 1)]
    arguments += ["--max-total-tokens", str(config.max_model_len)]
    arguments += ["--max-concurrent-requests", str(config.max_num_seqs)]
    arguments += ["--cuda-memory-fraction", str(config.gpu_memory_utilization)]
    return [*arguments, "--num-shard", str(config.tensor_parallel)]


def _trtllm(config: ServerConfig) -> list[str]:
    arguments = ["trtllm-serve", config.model, "--host", config.host, "--port", str(config.port)]
    arguments += ["--max_seq_len", str(config.max_model_len)]
    arguments += ["--max_batch_size", str(config.max_num_seqs)]
    return [*arguments, "--tp_size", str(config.tensor_parallel)]


# %% [markdown]
# ## The client
#
# All three speak the OpenAI protocol: POST {base_url}/chat/completions. With `"stream": true` the
# answer comes as server-sent events, `data: {json}` and an empty line, ended by `data: [DONE]`.


# %%
class ApiError(Exception):
    """The server refused, or broke off. status: of HTTP; 200 where the stream itself was wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Client:
    """timeout: seconds that the server may be silent. retries: how often a request is sent again
    after 429 or 503. at_once: requests under way at the same time, at most. sleep: how to wait.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        timeout: float = 60.0,
        retries: int = 4,
        at_once: int = 8,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.http = httpx.AsyncClient(headers=headers, timeout=timeout)
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.model = model
        self.retries = retries
        self.turns = asyncio.Semaphore(at_once)
        self.sleep = sleep

    async def close(self) -> None:
        await self.http.aclose()

    async def stream(self, messages: list[dict[str, str]], **options: Any) -> AsyncIterator[str]:
        """Yield the pieces of the answer as they come. options: max_tokens, temperature, …

        429 and 503 are tried again after what Retry-After says (seconds, or a date of HTTP), or
        after 0.5, 1, 2, … seconds. Raises ApiError for any other status but 200, for an error
        inside the stream, and for a stream that ends without [DONE]; httpx.TimeoutException.
        """
        body = {"model": self.model, "messages": messages, "stream": True, **options}
        async with self.turns:
            for attempt in range(self.retries + 1):
                async with self.http.stream("POST", self.url, json=body) as reply:
                    if reply.status_code == 200:
                        async for piece in _pieces(reply):
                            yield piece
                        return
                    await reply.aread()
                if reply.status_code not in (429, 503) or attempt == self.retries:
                    raise ApiError(reply.status_code, _reason(reply))
                await self.sleep(_wait(reply.headers.get("retry-after"), attempt))

    async def complete(self, messages: list[dict[str, str]], **options: Any) -> str:
        """Return the whole answer."""
        return "".join([piece async for piece in self.stream(messages, **options)])

    async def complete_all(
        self, conversations: list[list[dict[str, str]]], **options: Any
    ) -> list[str]:
        """Return the answer to each, in their order, `at_once` of them under way at a time."""
        return await asyncio.gather(*(self.complete(one, **options) for one in conversations))


async def _pieces(reply: httpx.Response) -> AsyncIterator[str]:
    async for line in _lines(reply):
        if not line.startswith("data:"):
            continue  # empty, a comment that keeps the connection alive, another field
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        event = json.loads(data)
        if error := event.get("error"):
            raise ApiError(200, error["message"] if isinstance(error, dict) else str(error))
        for choice in event.get("choices", []):  # none in the event with the usage
            if text := choice["delta"].get("content"):
                yield text
    raise ApiError(200, "the stream ended without [DONE]")


async def _lines(reply: httpx.Response) -> AsyncIterator[str]:
    """Yield the lines as bytes end them. aiter_lines would also cut at U+2028 and U+0085, which
    JSON allows inside a string; and a chunk's end may fall inside a character."""
    rest = b""
    async for chunk in reply.aiter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r").decode()
    if rest:
        yield rest.decode()


def _wait(retry_after: str | None, attempt: int) -> float:
    if not retry_after:
        return 0.5 * 2**attempt
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        due = parsedate_to_datetime(retry_after)
        return max(0.0, (due - datetime.now(UTC)).total_seconds())


def _reason(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return reply.text[:200]


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    QWEN_7B = ModelShape(28, 28, 4, 128, 7_615_616_512, 32_768)
    for gpus, kv_dtype in ((1, "auto"), (1, "fp8"), (2, "auto")):
        config = ServerConfig("Qwen2.5-7B", kv_dtype=kv_dtype, tensor_parallel=gpus)
        per_token = kv_bytes_per_token(QWEN_7B, kv_dtype)
        print(
            f"{gpus} GPU(s) of 24 GiB, {kv_dtype}: {per_token:,} bytes a token, "
            f"{kv_cache_tokens(QWEN_7B, config):,} tokens, "
            f"{max_sequences(QWEN_7B, config)} sequences of {config.max_model_len}"
        )
    print(" ".join(server_command(QWEN_7B, ServerConfig("Qwen2.5-7B"))[0]))
    # With `tutor model serve NAME --port 8080` in another terminal:
    # client = Client("http://127.0.0.1:8080/v1", "NAME", api_key="…")
    # print(asyncio.run(client.complete([{"role": "user", "content": "Hello"}])))
