"""The sentence encoder: all-MiniLM-L6-v2, forward in numpy for questions, in torch for indexing.

Importing torch and sentence-transformers takes seconds; a question is a dozen tokens, for which
sixty lines of numpy are enough.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutor.base import assets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

ASSET = "minilm"
MOST_TOKENS = 256
"""The model was trained on 128 tokens and is published with 256 as the most that it reads."""


def present() -> bool:
    return assets.present(ASSET)


def fingerprint() -> str:
    """Return a short hash that changes with the encoder's weights or tokenizer.

    Of the 90 MB of weights the size and the first and last MB: enough to tell one model from
    another, in a millisecond.
    """
    folder = assets.path(ASSET)
    weights = folder / "model.safetensors"
    digest = hashlib.sha256((folder / "tokenizer.json").read_bytes())
    size = weights.stat().st_size
    digest.update(f"{size} {MOST_TOKENS}".encode())
    with weights.open("rb") as file:
        digest.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        digest.update(file.read())
    return digest.hexdigest()[:16]


class QuestionEncoder:
    """BERT (Devlin et al. 2018, arXiv:1810.04805, over Vaswani et al. 2017, arXiv:1706.03762)
    with mean pooling (Reimers and Gurevych 2019, arXiv:1908.10084)."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read the model from its folder; the asset's where none is given.

        Raises MissingError where the asset is not there.
        """
        from safetensors import safe_open

        self.folder = folder or assets.path(ASSET)
        self.config: dict[str, Any] = json.loads((self.folder / "config.json").read_text("utf-8"))
        with safe_open(self.folder / "model.safetensors", "numpy") as file:
            self.weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    @cached_property
    def tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.enable_truncation(MOST_TOKENS)
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _threads(self) -> Any:
        from threadpoolctl import ThreadpoolController

        return ThreadpoolController()

    def encode(self, text: str) -> NDArray[np.float32]:
        """Return the text's embedding, shape (384,), of length 1."""
        import numpy as np

        hidden = self._embed(self.tokenizer.encode(text).ids)
        # Matrices this small gain nothing from a second thread, and on a busy machine waiting
        # for it costs twenty times the multiplication.
        with self._threads.limit(limits=1, user_api="blas"):
            for layer in range(self.config["num_hidden_layers"]):
                hidden = self._layer(hidden, f"encoder.layer.{layer}")
        pooled = hidden.mean(axis=0)  # one text, no padding: every token counts
        return pooled / np.linalg.norm(pooled)

    def _embed(self, ids: list[int]) -> NDArray[np.float32]:
        """Word, position and (all zero) segment embeddings: (tokens, 384)."""
        table = self.weights
        total = (
            table["embeddings.word_embeddings.weight"][ids]
            + table["embeddings.position_embeddings.weight"][: len(ids)]
            + table["embeddings.token_type_embeddings.weight"][0]
        )
        return self._normal(total, "embeddings.LayerNorm")

    def _layer(self, hidden: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """Self-attention and feed-forward, each with its residual and normalization after."""
        attended = self._linear(self._attend(hidden, name), f"{name}.attention.output.dense")
        hidden = self._normal(hidden + attended, f"{name}.attention.output.LayerNorm")
        inner = gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._normal(
            hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm"
        )

    def _attend(self, hidden: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """softmax(Q K^T / sqrt(d)) V for each head (arXiv:1706.03762, equation 1)."""
        import numpy as np

        heads = self.config["num_attention_heads"]

        def split(part: str) -> NDArray[np.float32]:
            rows = self._linear(hidden, f"{name}.attention.self.{part}")
            return rows.reshape(len(rows), heads, -1).transpose(1, 0, 2)  # (heads, tokens, d)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(query.shape[-1]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(1, 0, 2).reshape(hidden.shape)

    def _linear(self, rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        return rows @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _normal(self, rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """Layer normalization (Ba et al. 2016, arXiv:1607.06450)."""
        import numpy as np

        centred = rows - rows.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.config["layer_norm_eps"])
        return centred / spread * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def gelu(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """x * Phi(x) (Hendrycks and Gimpel 2016, arXiv:1606.08415).

    numpy has no erf; this is Abramowitz and Stegun 7.1.26, off by less than 1.5e-7.
    """
    import numpy as np

    x = np.abs(values) * np.float32(2**-0.5)
    t = 1 / (1 + np.float32(0.3275911) * x)
    factors = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
    poly = np.zeros_like(t)
    for factor in factors:
        poly = (poly + np.float32(factor)) * t
    erf = np.sign(values) * (1 - poly * np.exp(-(x**2)))
    return (values * np.float32(0.5) * (1 + erf)).astype(np.float32)


class BatchEncoder:
    """The same encoder in torch, for many texts."""

    def __init__(self) -> None:
        """Load the model. Raises MissingError where the asset is not there."""
        import logging

        # It is imported by the way, and warns of a kernel that nothing here uses.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        dtype = torch.bfloat16 if bfloat16_is_faster() else torch.float32
        self.model = SentenceTransformer(
            str(assets.path(ASSET)), device="cpu", model_kwargs={"dtype": dtype}
        )
        self.model.max_seq_length = MOST_TOKENS
        # oneDNN keeps what it prepared for every shape that it has seen: with a shape for each
        # length an index of 25,000 passages took 2.4 GB.
        transformer: Any = self.model[0]
        transformer.processing_kwargs = {"text": {"pad_to_multiple_of": 32}}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """Return embeddings of length 1, shape (len(texts), 384)."""
        import numpy as np

        rows = self.model.encode(list(texts), batch_size=32, show_progress_bar=False)
        rows = np.asarray(rows, dtype=np.float32)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def bfloat16_is_faster() -> bool:
    """Whether this CPU multiplies bfloat16 matrices clearly faster than float32 ones.

    With AMX or AVX512-BF16 it does, two to three times; without either it is slower. Measured
    on a matrix of the encoder's size, in some 20 ms.
    """
    import time

    import torch

    def seconds(dtype: torch.dtype) -> float:
        a, b = torch.ones(2048, 384, dtype=dtype), torch.ones(384, 1536, dtype=dtype)
        a @ b
        times = []
        for _ in range(3):
            start = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - start)
        return min(times)

    return seconds(torch.bfloat16) < 0.8 * seconds(torch.float32)
