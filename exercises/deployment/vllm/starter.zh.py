# %% [markdown]
# # vLLM、TGI、TensorRT-LLM：配置与客户端
#
# 这三种引擎都要 GPU，所以这里一个也不运行。它们在 GPU 上跑得好不好，取决于一道算术题
# （KV 缓存放得下吗？）、一行命令，以及一个服务器过载也撑得住的客户端。
# 这些不用 GPU 就能写，也能测。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor check deployment/vllm` 批改。

# %%
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

# %% [markdown]
# ## 已给出：可配置的内容


# %%
@dataclass(frozen=True)
class ModelShape:
    """取自 config.json：heads 是查询头数，kv_heads 是 KV 头数（分组查询注意力中较少）。"""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    parameters: int
    max_positions: int


@dataclass(frozen=True)
class ServerConfig:
    """gpu_memory_gib、overhead_gib（激活值、CUDA 图）：按单张 GPU 计。gpu_memory_utilization：
    引擎总共可占一张 GPU 显存的比例。lora：适配器，以名字为键。
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
BLOCK = 16  # KV 缓存一页的 token 数
WEIGHT_BYTES = 2  # bfloat16 和 float16 的字节数

# %% [markdown]
# ## 估算 KV 缓存


# %%
def kv_bytes_per_token(shape: ModelShape, kv_dtype: str) -> int:
    """返回一个 token 的键和值在所有层中共占的字节数："auto" 每个数 2 字节，"fp8" 1 字节。"""
    raise NotImplementedError("kv_bytes_per_token：键和值、层、头、数值")


def kv_cache_tokens(shape: ModelShape, config: ServerConfig) -> int:
    """返回 KV 缓存能放下的 token 数，按整块计；什么都放不下时为 0。

    一张 GPU 上可占的显存，减去它那份权重（1 / tensor_parallel）和开销，剩下的归缓存。
    KV 头也分给各张 GPU；GPU 比头多时，每张放一个头，有些头会重复存放。
    """
    raise NotImplementedError("kv_cache_tokens：一张 GPU 上剩下多少，按整块计")


def max_sequences(shape: ModelShape, config: ServerConfig) -> int:
    """返回能同时放下多少条 max_model_len 个 token 的序列，每条占整块。"""
    raise NotImplementedError("max_sequences：每条占整块")


# %% [markdown]
# ## 一致性


# %%
def problems(shape: ModelShape, config: ServerConfig) -> list[str]:
    """返回配置的各处问题，每条写成 "字段: 原因"；能运行时返回空列表。

    port：1 到 65535。gpu_memory_utilization：大于 0，至多 1。max_model_len：至多
    max_positions，且必须放得下一条这样长的序列。tensor_parallel：能整除 heads；
    并且能整除 kv_heads，或是它的倍数。api_key：host 不是回环地址时必须有；trtllm-serve
    没有密钥，对它则是 host 必须为回环地址。lora：仅限 vLLM。
    """
    raise NotImplementedError("problems：一个问题一行")


# %% [markdown]
# ## 命令行


# %%
def server_command(shape: ModelShape, config: ServerConfig) -> tuple[list[str], dict[str, str]]:
    """返回启动服务器用的 (参数列表, 环境变量)。

    有问题时抛出 ValueError，列出全部问题。密钥放进环境变量（VLLM_API_KEY，TGI 为
    API_KEY）：命令行是这台机器上每个用户都读得到的。
    """
    raise NotImplementedError("server_command：三种引擎的参数和环境变量")


# %% [markdown]
# ## 客户端
#
# 三种引擎都用 OpenAI 协议：POST {base_url}/chat/completions。加上 `"stream": true`，
# 回答就以 SSE（server-sent events）的形式返回：`data: {json}` 加一个空行，
# 最后是 `data: [DONE]`。


# %%
class ApiError(Exception):
    """服务器拒绝了请求，或中途断开。status：HTTP 状态码；流本身出错时为 200。"""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Client:
    """timeout：服务器最多可以沉默的秒数。retries：遇到 429 或 503 时重发的次数。
    at_once：最多同时进行的请求数。sleep：用什么来等待。
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
        """回答的片段一到就产出。options：max_tokens、temperature……

        429 和 503 会重试，先按 Retry-After（秒数，或 HTTP 日期）等待，没有就等
        0.5、1、2……秒。状态码是 200 以外的其他值、流中出现错误、流没有 [DONE] 就结束，
        都抛出 ApiError；另有 httpx.TimeoutException。
        """
        raise NotImplementedError("Client.stream：事件、重试、错误、每个请求占一个名额")
        yield ""  # 有了它，这才是异步生成器

    async def complete(self, messages: list[dict[str, str]], **options: Any) -> str:
        """返回完整的回答。"""
        raise NotImplementedError("Client.complete：把片段拼起来")

    async def complete_all(
        self, conversations: list[list[dict[str, str]]], **options: Any
    ) -> list[str]:
        """返回每个对话的回答，保持原来的顺序，同时进行的为 `at_once` 个。"""
        raise NotImplementedError("Client.complete_all：同时发出，保持顺序")


# %% [markdown]
# ## 试一试

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
    # 先在另一个终端运行 `tutor model serve NAME --port 8080`：
    # client = Client("http://127.0.0.1:8080/v1", "NAME", api_key="…")
    # print(asyncio.run(client.complete([{"role": "user", "content": "Hello"}])))
