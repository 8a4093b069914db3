"""How other programs would serve a model: Ollama with a Modelfile, vLLM with a merged folder."""

from __future__ import annotations

from pathlib import Path

from tutor.base.i18n import say
from tutor.engine.process import Loaded
from tutor.workshop import report
from tutor.workshop.report import ADAPTER, MERGED


def commands(model: Loaded, context_tokens: int) -> dict[str, str]:
    """Return, by program, what to type. vLLM is given what it is made for: the base's Hugging Face
    folder with the adapter beside it, or the merged folder that was exported."""
    return {"Ollama": _ollama(model, context_tokens), "vLLM": _vllm(model)}


def modelfile(model: Loaded, context_tokens: int) -> str:
    """Return a Modelfile. The template comes from the GGUF itself."""
    lines = [f'FROM "{model.file}"']
    if model.lora:
        lines.append(f'ADAPTER "{model.lora}"')
    return "\n".join([*lines, f"PARAMETER num_ctx {context_tokens}"]) + "\n"


def _ollama(model: Loaded, context_tokens: int) -> str:
    name = Path(model.name).stem.replace(":", "-").lower()
    text = modelfile(model, context_tokens)
    return (
        f"cat > Modelfile <<'EOF'\n{text}EOF\nollama create {name} -f Modelfile\nollama run {name}"
    )


def _vllm(model: Loaded) -> str:
    name = model.name.partition(":")[0]
    if name not in report.names():
        return f"vllm serve {model.file}"
    merged = report.load(name).folder / MERGED
    if merged.is_dir():
        return f"vllm serve {merged} --served-model-name {name}"
    origin = report.load(name).lineage
    if not origin.adapter_sha256:
        return f"vllm serve {origin.base} --served-model-name {name}"
    if Path(origin.base).is_dir():
        adapter = report.load(name).folder / ADAPTER
        return f"vllm serve {origin.base} --enable-lora --lora-modules {name}={adapter}"
    return say(
        f"tutor model export {origin.source} --merged --name {name}-merged  # then serve that",
        f"tutor model export {origin.source} --merged --name {name}-merged  # 然后用它提供服务",
    )
