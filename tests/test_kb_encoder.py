"""The encoder: numpy and torch agree, and a question needs no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

TEXTS = (
    "What rank does QLoRA use?",
    "a",
    "How do I stop `generate` from repeating itself? " * 40,
    "量化 4-bit NF4",
    "model.push_to_hub(\"x\")  # émigré naïve",
)  # fmt: skip


def test_numpy_agrees_with_sentence_transformers(home, minilm) -> None:
    from sentence_transformers import SentenceTransformer

    from kb.encoder import MOST_TOKENS, QuestionEncoder

    reference = SentenceTransformer(str(minilm), device="cpu")
    reference.max_seq_length = MOST_TOKENS
    encoder = QuestionEncoder()
    for text in TEXTS:
        ours = encoder.encode(text)
        assert ours.shape == (384,)
        assert float(np.linalg.norm(ours)) == pytest.approx(1, abs=1e-5)
        assert float(ours @ reference.encode(text, normalize_embeddings=True)) > 0.9999


def test_the_index_is_made_by_the_same_encoder(home, minilm) -> None:
    from kb.encoder import BatchEncoder, QuestionEncoder

    rows = BatchEncoder().encode(list(TEXTS)).astype(np.float32)
    encoder = QuestionEncoder()
    for text, row in zip(TEXTS, rows, strict=True):
        assert float(row @ encoder.encode(text)) > 0.999  # bfloat16 where the CPU has it


def test_gelu_is_exact_to_six_digits() -> None:
    import torch

    from kb.encoder import gelu

    x = np.linspace(-6, 6, 4001, dtype=np.float32)
    exact = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    assert np.abs(gelu(x) - exact).max() < 1e-6


def test_encoding_a_question_imports_no_torch(home, minilm) -> None:
    code = (
        "import sys; from kb.encoder import QuestionEncoder; QuestionEncoder().encode('hi'); "
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
