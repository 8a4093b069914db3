"""Export of tiny random models: llama.cpp must compute what transformers and peft compute."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

from tutor.base import settings as settings_
from tutor.base.errors import TutorError
from tutor.workshop import adapter, export, gguf_file, native, report
from tutor.workshop.base import merge, open_base
from tutor.workshop.native import Loaded

IDS = [1, 9690, 198, 2683, 359, 253, 5356, 48, 1021, 44, 318, 12, 700, 2, 31, 4093]
FAMILIES = ("llama", "qwen2", "qwen3", "gpt2")
CLOSE = 0.01
"""Root mean square difference in standard deviations: F16 weights against float32."""


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import REAL_HOME

    gguf = REAL_HOME / "assets/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf"
    if not gguf.exists():
        pytest.skip("no smollm2-135m: the tokenizer comes from it")
    folder = tmp_path_factory.mktemp("tokenizer")
    tiny_models.save_tokenizer(gguf, folder)
    return folder


@pytest.fixture
def folder_of(tmp_path: Path, tokenizer: Path):  # type: ignore[no-untyped-def]
    """Save a model with its tokenizer; return the folder."""

    def save(model: Any) -> Path:
        folder = tmp_path / "tiny"
        model.save_pretrained(folder)
        shutil.copytree(tokenizer, folder, dirs_exist_ok=True)
        return folder

    return save


def difference(path: Path, right: Any, lora: str = "") -> float:
    """Return how far llama.cpp's logits are from the right ones, in their standard deviations."""
    target = path.with_suffix(".npz")
    native.call(native.Logits(Loaded(str(path), lora), [IDS], str(target)), int)
    return float(np.sqrt(np.square(np.load(target)["0"] - right).mean()) / right.std())


def written(base: Any, path: Path) -> Path:
    gguf_file.write(path, base.arch, base.fields, list(base.tensors.values()))
    return path


def saved_adapter(model: Any, folder: Path, **config: Any) -> tuple[Any, Path]:
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **config))
    tiny_models.randomize(adapted)
    adapted.save_pretrained(folder)
    return adapted, folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_becomes_a_gguf_that_computes_the_same(family, folder_of, tmp_path) -> None:
    model = tiny_models.build(family)
    base = open_base(folder_of(model))
    path = written(base, tmp_path / "model.gguf")
    assert gguf_file.problems(path) == []
    assert difference(path, tiny_models.logits(model, IDS)) < CLOSE


@pytest.mark.parametrize("tied", [True, False])
def test_tied_and_untied_output(tied, folder_of, tmp_path) -> None:
    model = tiny_models.build("llama", tie_word_embeddings=tied)
    base = open_base(folder_of(model))
    assert ("output.weight" in base.tensors) is not tied
    path = written(base, tmp_path / "model.gguf")
    assert difference(path, tiny_models.logits(model, IDS)) < CLOSE


@pytest.mark.parametrize(
    "config",
    [
        {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"},
        {"r": 4, "lora_alpha": 8, "use_rslora": True, "target_modules": ["q_proj", "k_proj"]},
        {"r": 4, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"1.self_attn.k_proj": 3},
         "target_modules": ["q_proj", "k_proj", "down_proj"]},
        {"r": 4, "use_dora": True, "target_modules": ["q_proj", "v_proj", "up_proj"]},
        {"r": 4, "target_modules": ["embed_tokens", "v_proj"]},
        {"r": 4, "target_modules": ["v_proj"], "modules_to_save": ["lm_head"]},
    ],
    ids=["all-linear", "rslora", "patterns", "dora", "embeddings", "saved-output"],
)  # fmt: skip
def test_a_merged_adapter_computes_what_peft_computes(config, folder_of, tmp_path) -> None:
    model = tiny_models.build("llama")
    folder = folder_of(model)
    plain = tiny_models.logits(model, IDS)
    adapted, place = saved_adapter(model, tmp_path / "adapter", **config)
    right = tiny_models.logits(adapted, IDS)
    merged = merge(open_base(folder), adapter.load(place))
    path = written(merged, tmp_path / "merged.gguf")
    assert difference(path, plain) > 10 * CLOSE, "the adapter must change something"
    assert difference(path, right) < CLOSE


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "gpt2"])
def test_adapters_of_the_other_families(family, folder_of, tmp_path) -> None:
    model = tiny_models.build(family)
    folder = folder_of(model)
    adapted, place = saved_adapter(
        model, tmp_path / "adapter", r=4, target_modules="all-linear",
        fan_in_fan_out=family == "gpt2",
    )  # fmt: skip
    right = tiny_models.logits(adapted, IDS)
    path = written(merge(open_base(folder), adapter.load(place)), tmp_path / "merged.gguf")
    assert difference(path, right) < CLOSE


def test_a_lora_beside_its_base_computes_what_the_merged_one_does(
    home, folder_of, tmp_path
) -> None:
    model = tiny_models.build("llama")
    folder = folder_of(model)
    adapted, place = saved_adapter(
        model, tmp_path / "adapter", r=4, lora_alpha=12, use_rslora=True,
        target_modules=["q_proj", "k_proj", "down_proj"],
    )  # fmt: skip
    right = tiny_models.logits(adapted, IDS)
    base = written(open_base(folder), tmp_path / "base.gguf")
    made = export.export(
        str(place), settings_.load(), name="beside", base=str(base), form=export.Form(lora=True)
    )
    assert gguf_file.problems(made.path(report.LORA)) == []
    assert difference(base, right, str(made.path(report.LORA))) < CLOSE


@pytest.mark.parametrize("cut", ["smollm", "gpt-2"])
def test_token_ids_are_the_folders_own(cut, folder_of, tmp_path) -> None:
    from tokenizers import Tokenizer

    folder = folder_of(tiny_models.build("llama"))
    if cut == "gpt-2":
        tiny_models.cut_like_gpt2(folder)
    path = written(open_base(folder), tmp_path / "model.gguf")
    texts = [
        "LoRA adds 0.1% of the parameters:\n\n1. A\n  2. B", "大语言模型 2024 年", "don't café 🙂",
        "<|im_start|>user\nHi<|im_end|>", "  tabs\tand   spaces  ", "1234567 12.5e-3",
    ]  # fmt: skip
    ids = native.call(native.Tokenize(Loaded(str(path)), texts), list[list[int]])
    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert ids == [own.encode(text, add_special_tokens=False).ids for text in texts]
    assert gguf_file.template(gguf_file.read(path)) == tiny_models.TEMPLATE


def test_an_adapter_of_another_base_is_refused(folder_of, tmp_path) -> None:
    model = tiny_models.build("llama")
    folder = folder_of(model)
    other = tiny_models.build("llama", hidden_size=128)
    _, place = saved_adapter(other, tmp_path / "adapter", r=4, target_modules=["q_proj"])
    with pytest.raises(TutorError, match=r"another base.*q_proj"):
        merge(open_base(folder), adapter.load(place))
    gpt2 = tiny_models.build("gpt2")
    _, place = saved_adapter(gpt2, tmp_path / "gpt2", r=4, target_modules=["c_attn"])
    with pytest.raises(TutorError, match="another base"):
        merge(open_base(folder), adapter.load(place))


def test_what_is_not_lora_is_refused_with_a_way_out(folder_of, tmp_path) -> None:
    from peft import IA3Config, get_peft_model

    model = get_peft_model(
        tiny_models.build("llama"),
        IA3Config(task_type="CAUSAL_LM", target_modules=["k_proj"], feedforward_modules=[]),
    )
    model.save_pretrained(tmp_path / "ia3")
    with pytest.raises(TutorError, match="IA3") as error:
        adapter.load(tmp_path / "ia3")
    assert "merge_and_unload" in error.value.hint


def test_nan_in_an_adapter_leaves_no_model(home, folder_of, tmp_path) -> None:
    import torch

    model = tiny_models.build("llama")
    folder = folder_of(model)
    adapted, place = saved_adapter(model, tmp_path / "adapter", r=4, target_modules=["q_proj"])
    with torch.no_grad():
        next(p for n, p in adapted.named_parameters() if "lora_A" in n)[0, 0] = float("nan")
    adapted.save_pretrained(place)
    with pytest.raises(TutorError, match="NaN") as error:
        export.export(str(place), settings_.load(), name="diverged", base=str(folder))
    assert "learning rate" in error.value.hint
    assert report.names() == []
    assert list((home / "models").glob("diverged*")) == []


def test_a_tokenizer_larger_than_the_model_is_refused(folder_of) -> None:
    folder = folder_of(tiny_models.build("llama", vocab_size=49000))
    with pytest.raises(TutorError, match="49000 embeddings"):
        open_base(folder)


def test_a_folder_without_a_tensor_is_refused(folder_of) -> None:
    from safetensors.numpy import load_file, save_file

    folder = folder_of(tiny_models.build("qwen2"))
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.self_attn.k_proj.bias"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(TutorError, match=r"blk\.1\.attn_k\.bias is missing"):
        open_base(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "mamba"}, "mamba"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "yarn"),
        ({"quantization_config": {"load_in_4bit": True}}, "quantized"),
    ],
)
def test_what_the_exporter_does_not_know_it_does_not_guess(change, said, folder_of) -> None:
    folder = folder_of(tiny_models.build("llama"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(TutorError, match=said):
        open_base(folder)


@pytest.fixture
def tiny_gguf(folder_of, tmp_path) -> Path:
    return written(open_base(folder_of(tiny_models.build("llama"))), tmp_path / "model.gguf")


def test_a_truncated_gguf_is_no_base(tiny_gguf: Path) -> None:
    for share in (0.999, 0.6, 0.01):
        with tiny_gguf.open("r+b") as file:
            file.truncate(int(tiny_gguf.stat().st_size * share))
        with pytest.raises(TutorError, match="not a whole model"):
            open_base(tiny_gguf)
    tiny_gguf.write_bytes(b"GGUF")
    with pytest.raises(TutorError, match="not a whole model"):
        open_base(tiny_gguf)


def test_the_quick_reader_reads_what_the_library_reads(smollm2: Path) -> None:
    from gguf import GGUFReader

    whole, quick = GGUFReader(smollm2), gguf_file.read(smollm2)
    assert list(quick.fields) == list(whole.fields)
    for key, field in whole.fields.items():
        mine = quick.fields[key]
        assert (mine.types, len(mine.data)) == (field.types, len(field.data)), key
        assert mine.contents() == field.contents(), key
    assert quick.data_offset == whole.data_offset
    assert [t.name for t in quick.tensors] == [t.name for t in whole.tensors]


def test_problems_of_a_gguf_are_named(tiny_gguf: Path, tmp_path: Path) -> None:
    base = open_base(tiny_gguf)
    fields, tensors = list(base.fields), dict(base.tensors)
    del tensors["blk.0.ffn_up.weight"]
    path = tmp_path / "missing.gguf"
    gguf_file.write(path, base.arch, fields, list(tensors.values()))
    assert gguf_file.problems(path) == ["the tensor blk.0.ffn_up.weight is missing"]

    fewer = [
        gguf_file.Field(f.key, f.value[:-1], f.type, f.sub_type)
        if f.key == gguf_file.TOKENS else f
        for f in fields
    ]  # fmt: skip
    path = tmp_path / "vocabulary.gguf"
    gguf_file.write(path, base.arch, fewer, list(base.tensors.values()))
    assert "49151 tokens, the embeddings 49152 rows" in gguf_file.problems(path)[0]


def test_a_nan_in_a_gguf_is_found(tiny_gguf: Path) -> None:
    from gguf import GGUFReader

    reader = GGUFReader(tiny_gguf, "r+")
    tensor = next(t for t in reader.tensors if t.name == "blk.1.attn_v.weight")
    tensor.data[3, 5] = np.nan
    reader.data.flush()
    assert gguf_file.problems(tiny_gguf) == ["blk.1.attn_v.weight holds NaN or infinity"]


def test_the_full_converter_is_run_from_its_own_folder(
    home, folder_of, tiny_gguf, tmp_path
) -> None:
    from tutor.workshop import converter

    tool = home / "tools" / converter.REQUIREMENT.replace("==", "-")
    tool.mkdir(parents=True)
    program = tool / f"{converter.PROGRAM}.py"
    program.write_text(
        f"import shutil, sys\nshutil.copyfile({str(tiny_gguf)!r}, sys.argv[sys.argv.index('--outfile') + 1])"
    )
    folder = tmp_path / "tiny"
    form = export.Form(converter=True)
    made = export.export(str(folder), settings_.load(), name="converted", form=form)
    assert sorted(p.name for p in made.folder.iterdir()) == [
        report.CARD, "model-F16.gguf", report.REPORT,
    ]  # fmt: skip
    assert gguf_file.problems(made.path(report.FULL)) == []

    program.write_text("raise SystemExit('no such architecture')")
    with pytest.raises(TutorError, match="no such architecture"):
        export.export(str(folder), settings_.load(), name="other", form=form)
    assert report.names() == ["converted"]


def test_a_merged_folder_for_vllm_is_what_peft_merges(home, folder_of, tmp_path) -> None:
    from transformers import AutoModelForCausalLM

    model = tiny_models.build("llama")
    folder = folder_of(model)
    adapted, place = saved_adapter(model, tmp_path / "adapter", r=4, target_modules=["q_proj"])
    right = tiny_models.logits(adapted, IDS)
    made = export.export(
        str(place), settings_.load(), name="both", base=str(folder), form=export.Form(merged=True)
    )
    saved = AutoModelForCausalLM.from_pretrained(made.folder / report.MERGED, dtype="float32")
    difference_ = np.square(tiny_models.logits(saved, IDS) - right).mean() ** 0.5
    assert difference_ < 0.05 * right.std()  # bfloat16
    assert (made.folder / report.MERGED / "tokenizer.json").is_file()
