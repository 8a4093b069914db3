"""Prove in a subprocess that the installed llama.cpp decodes on this processor.

Some builds die with a signal at the first decode (GCC 12 on a CPU with AMX; llama.cpp#26954):
that must be seen at installation, not by a learner.
`python -m tutor.engine.probe FILE [LORA]` decodes a few tokens and prints them.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120


@dataclass(frozen=True)
class Probe:
    """Whether llama.cpp decoded, and what was seen: its text, or how it died."""

    ok: bool
    detail: str


def probe(model: Path, lora: Path | None = None) -> Probe:
    """Decode with the model file in a process of its own; never raises for what happens there."""
    try:
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "tutor.engine.probe",
                str(model),
                *([str(lora)] if lora else []),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Probe(False, f"no token within {TIMEOUT_S} s")
    if result.returncode < 0:
        return Probe(False, f"killed by signal {-result.returncode}")
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        return Probe(False, lines[-1])
    return Probe(True, result.stdout.strip())


def main(model: str, lora: str | None = None) -> None:
    import llama_cpp

    llm = llama_cpp.Llama(model, n_ctx=256, logits_all=False, verbose=False, lora_path=lora)
    # Long enough to reach the batched matrix kernels, which are the ones that crash.
    prompt = "The quick brown fox jumps over the lazy dog. " * 8
    text = llm(prompt, max_tokens=4, temperature=0.0)["choices"][0]["text"]  # type: ignore[index]
    print(f"llama-cpp-python {llama_cpp.__version__}: {text.strip()!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
