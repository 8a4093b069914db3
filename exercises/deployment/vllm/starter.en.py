# %% [markdown]
# # vLLM, TGI, TensorRT-LLM: configuration and client
#
# The three engines need a GPU, and so none of them runs here. What decides whether they run well
# there is arithmetic (does the KV cache fit?), a command line, and a client that survives a server
# under load. All of that is written and tested without a GPU.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check deployment/vllm`.

# %%
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
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
    raise NotImplementedError("kv_bytes_per_token: keys and values, layers, heads, numbers")


def kv_cache_tokens(shape: ModelShape, config: ServerConfig) -> int:
    """Return the tokens that the KV cache holds, in whole blocks; 0 where nothing fits.

    A GPU's share of the memory, less its part of the weights (1 / tensor_parallel) and the
    overhead, is for the cache. KV heads are divided among the GPUs too; where there are more GPUs
    than heads, each GPU holds one, and some heads are there several times.
    """
    raise NotImplementedError("kv_cache_tokens: what is left of a GPU, in whole blocks")


def max_sequences(shape: ModelShape, config: ServerConfig) -> int:
    """Return how many sequences of max_model_len tokens fit at once, each in whole blocks."""
    raise NotImplementedError("max_sequences: whole blocks each")


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
    raise NotImplementedError("problems: one line a problem")


# %% [markdown]
# ## The command line


# %%
def server_command(shape: ModelShape, config: ServerConfig) -> tuple[list[str], dict[str, str]]:
    """Return (arguments, environment) that start the server.

    Raises ValueError with all problems. The key goes into the environment (VLLM_API_KEY, for TGI
    API_KEY): a command line is there for every user of the machine to read.
    """
    raise NotImplementedError("server_command: arguments and environment of the three engines")


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
        raise NotImplementedError("Client.stream: events, retries, errors, a turn each")
        yield ""  # what makes this an asynchronous generator

    async def complete(self, messages: list[dict[str, str]], **options: Any) -> str:
        """Return the whole answer."""
        raise NotImplementedError("Client.complete: join the pieces")

    async def complete_all(
        self, conversations: list[list[dict[str, str]]], **options: Any
    ) -> list[str]:
        """Return the answer to each, in their order, `at_once` of them under way at a time."""
        raise NotImplementedError("Client.complete_all: all at once, in their order")


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
