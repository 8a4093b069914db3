"""The libraries' public API, read from their source."""

from __future__ import annotations

import subprocess
import sys

from kb.docstrings import PACKAGES, api_entries


def entry(package: str, name: str):
    return next(e for e in api_entries([package]) if e.name == name)


def test_a_config_class_has_its_parameters_with_defaults_and_words() -> None:
    config = entry("peft", "peft.LoraConfig")
    parameters = {name: (annotation, default, text) for name, annotation, default, text
                  in config.parameters}  # fmt: skip
    assert config.kind == "class" and config.version and "LoraModel" in config.summary
    assert parameters["r"][1] == "8" and "rank" in parameters["r"][2]
    assert parameters["use_rslora"][1] == "False"


def test_defaults_come_from_the_docstring_or_the_signature() -> None:
    arguments = {
        p[0]: p for p in entry("transformers", "transformers.TrainingArguments").parameters
    }
    assert arguments["num_train_epochs"][1:3] == ("float", "3.0")
    assert arguments["learning_rate"][2] == "5e-5"


def test_names_are_those_one_imports() -> None:
    names = {e.name for e in api_entries(["llama_index.core", "transformers"])}
    assert "llama_index.core.node_parser.SentenceSplitter" in names
    assert "transformers.Trainer.train" in names
    assert "transformers.AutoTokenizer.from_pretrained" in names
    assert "transformers.BitsAndBytesConfig" in names


def test_every_package_of_the_plan_is_read_without_importing_it() -> None:
    code = (
        "import sys; from kb.docstrings import PACKAGES, api_entries\n"
        "found = {e.package for e in api_entries()}\n"
        "assert found == set(PACKAGES), found\n"
        "assert not {'torch', 'transformers', 'peft', 'trl'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(PACKAGES) == 8
