"""What the workshop adds to llama.cpp's own quantization: python benchmarks/quantize.py MODEL [TYPE…]

MODEL is one of `tutor model list` with an F16 file. The tutor's side is `tutor.workshop.quantize`
without measurements: the source's header and the written file are checked, the file is hashed,
registered and put under its name at once. The raw side is llama-cpp-python's
`llama_model_quantize` on the same file. Both in a fresh process each, Python's start and the
imports included, in turns; the median of the rounds is printed. Nothing else should run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tutor.workshop import report
from tutor.workshop.quantize import TYPES

RAW = """
import ctypes, sys
import llama_cpp

source, target, ftype = sys.argv[1:]
parameters = llama_cpp.llama_model_quantize_default_params()
parameters.ftype = int(ftype)
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters)))
"""
OURS = """
import sys
from tutor.workshop.quantize import Wish, quantize

quantize(sys.argv[1], Wish((sys.argv[2],), measure=False))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("types", nargs="*", default=["Q8_0", "Q4_K_M"])
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    known = report.load(wanted.model)
    print(f"{'type':<8} {'tutor':>8} {'raw':>8} {'ratio':>6}")
    for type_ in wanted.types:
        ours, raw = [], []
        for _ in range(wanted.rounds):
            ours.append(_timed(OURS, wanted.model, type_))
            with tempfile.TemporaryDirectory(dir=known.folder) as folder:
                target = str(Path(folder) / "raw.gguf")
                raw.append(_timed(RAW, str(known.path(report.FULL)), target, str(TYPES[type_])))
        one, other = statistics.median(ours), statistics.median(raw)
        print(f"{type_:<8} {one:>6.2f} s {other:>6.2f} s {one / other:>6.2f}", flush=True)


def _timed(program: str, *arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
