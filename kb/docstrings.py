"""The public API of the libraries the plan uses, read from their installed source.

griffe parses the files; nothing is imported, so a library that needs a GPU can be read too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kb.parse import markdown

if TYPE_CHECKING:
    import griffe

Parameter = tuple[str, str, str, str]
"""name, annotation, default, description; an empty string where there is none."""

# Which files of each package a learner of the plan meets. The whole of transformers is 4,000
# files, most of them one model family each.
PACKAGES: dict[str, tuple[str, ...]] = {
    "transformers": (
        "trainer.py",
        "trainer_seq2seq.py",
        "trainer_callback.py",
        "trainer_utils.py",
        "training_args.py",
        "training_args_seq2seq.py",
        "optimization.py",
        "tokenization_utils_base.py",
        "modeling_utils.py",
        "configuration_utils.py",
        "cache_utils.py",
        "data/data_collator.py",
        "generation/configuration_utils.py",
        "generation/utils.py",
        "generation/logits_process.py",
        "generation/stopping_criteria.py",
        "generation/streamers.py",
        "models/auto/auto_factory.py",
        "models/auto/configuration_auto.py",
        "models/auto/tokenization_auto.py",
        "pipelines/__init__.py",
        "pipelines/base.py",
        "pipelines/fill_mask.py",
        "pipelines/text_*.py",
        "pipelines/token_classification.py",
        "pipelines/zero_shot_classification.py",
        "utils/quantization_config.py",
    ),
    "peft": (
        "auto.py",
        "config.py",
        "helpers.py",
        "mapping_func.py",
        "mixed_model.py",
        "peft_model.py",
        "tuners/*/config.py",
        "tuners/lora/eva.py",
        "tuners/lora/model.py",
        "tuners/tuners_utils.py",
        "utils/loftq_utils.py",
        "utils/merge_utils.py",
        "utils/other.py",
        "utils/peft_types.py",
        "utils/save_and_load.py",
    ),
    "trl": (
        "data_utils.py",
        "chat_template_utils.py",
        "models/utils.py",
        "rewards/*.py",
        "scripts/utils.py",
        "trainer/*.py",
    ),
    "datasets": (
        "arrow_dataset.py",
        "builder.py",
        "combine.py",
        "dataset_dict.py",
        "features/features.py",
        "info.py",
        "iterable_dataset.py",
        "load.py",
        "splits.py",
    ),
    "accelerate": (
        "accelerator.py",
        "big_modeling.py",
        "data_loader.py",
        "launchers.py",
        "state.py",
        "utils/dataclasses.py",
        "utils/memory.py",
        "utils/modeling.py",
    ),
    "llama_index.core": (
        "agent/**/*.py",
        "base/base_query_engine.py",
        "base/base_retriever.py",
        "chat_engine/*.py",
        "evaluation/*.py",
        "indices/**/*.py",
        "ingestion/*.py",
        "node_parser/**/*.py",
        "postprocessor/*.py",
        "query_engine/*.py",
        "response_synthesizers/*.py",
        "retrievers/*.py",
        "schema.py",
        "storage/storage_context.py",
        "tools/*.py",
    ),
    "sentence_transformers": (
        "base/*.py",
        "sentence_transformer/**/*.py",
        "cross_encoder/*.py",
        "util/*.py",
    ),
    "bitsandbytes": ("functional.py", "nn/modules.py", "optim/adamw.py", "optim/optimizer.py"),
}

FORMAT = "2"
"""Changes with the way that docstrings are read: what was read in another way is read again."""
DISTRIBUTIONS = {"llama_index.core": "llama-index-core"}
SHORTEST_DOC = 40
"""Docstrings under so many characters say no more than the name does."""


@dataclass(frozen=True)
class ApiEntry:
    """One public class, function or method."""

    name: str
    """Qualified as a reader would import it: "peft.LoraConfig", "transformers.Trainer.train"."""
    package: str
    version: str
    kind: Literal["class", "function", "method"]
    signature: str
    summary: str
    """The docstring's first paragraph on one line."""
    description: str
    """The rest of the docstring's prose and examples, without the parameters."""
    parameters: tuple[Parameter, ...]
    returns: str
    file: str
    """The source file, relative to the folder of the installed packages."""


def api_entries(packages: Iterable[str] = tuple(PACKAGES)) -> Iterator[ApiEntry]:
    """Yield the documented public API of the installed packages, in the order of their files.

    A package that is not installed yields nothing. Raises KeyError for one that is not in
    PACKAGES.
    """
    for package in packages:
        for path in _files(package):
            yield from _file_entries(package, path)


@cache
def package_info(package: str) -> tuple[str, str, str]:
    """Return version, licence and home page of an installed package, as it declares them."""
    data = metadata.metadata(DISTRIBUTIONS.get(package, package))
    licence = data["License-Expression"] or data["License"] or ""
    if not licence or len(licence) > 60:  # some declare the whole text
        classifiers = [c for c in data.get_all("Classifier") or () if c.startswith("License")]
        licence = classifiers[0].rpartition(" :: ")[2] if classifiers else ""
    links = (link.partition(", ")[2] for link in data.get_all("Project-URL") or ())
    return data["Version"], licence, data["Home-page"] or next(links, "")


def fingerprint(package: str) -> str:
    """Return what the entries of a package depend on; empty where it is not installed."""
    try:
        version = package_info(package)[0]
    except metadata.PackageNotFoundError:
        return ""
    return f"{version} {FORMAT} {','.join(PACKAGES[package])}"


def _root(package: str) -> Path | None:
    try:
        files = metadata.files(DISTRIBUTIONS.get(package, package)) or []
    except metadata.PackageNotFoundError:
        return None
    wanted = f"{package.replace('.', '/')}/__init__.py"
    return next((Path(str(f.locate())).parent for f in files if f.as_posix() == wanted), None)


def _files(package: str) -> list[Path]:
    root = _root(package)
    if root is None:
        return []
    found = {path: None for pattern in PACKAGES[package] for path in sorted(root.glob(pattern))}
    return [p for p in found if not p.stem.startswith("_") or p.stem == "__init__"]


@cache
def _exported(init: Path) -> frozenset[str]:
    """The names that an __init__.py mentions: what `from package import …` gives.

    transformers and trl list theirs in strings of a lazy import table, the others in imports.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(init.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return frozenset(names)


def _public_name(name: str, module_name: str, package: str, root: Path) -> str:
    """Qualify a name by the outermost package that exports it, as its users import it."""
    parents = module_name.split(".")
    depth = len(package.split("."))
    for end in range(depth, len(parents)):
        init = root.joinpath(*parents[depth:end], "__init__.py")
        if init.exists() and name in _exported(init):
            return ".".join([*parents[:end], name])
    return f"{module_name}.{name}"


def _file_entries(package: str, path: Path) -> Iterator[ApiEntry]:
    import griffe

    root = _root(package)
    assert root is not None
    inner = path.relative_to(root).with_suffix("").as_posix().removesuffix("/__init__")
    module_name = package if inner == "__init__" else f"{package}.{inner.replace('/', '.')}"
    try:
        module = griffe.visit(module_name, path, path.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return  # an installed file that this Python cannot parse
    lazily = package == "transformers" and inner.startswith("models/")
    for name, member in module.members.items():
        if name.startswith("_") or member.is_alias:
            continue
        public = _public_name(name, module_name, package, root)
        if lazily and name in (module.exports or ()):
            public = f"transformers.{name}"  # its __init__ collects each model file's __all__
        if isinstance(member, griffe.Class | griffe.Function):
            yield from _entries(member, public, package, path.relative_to(root.parent).as_posix())


def _entries(
    member: griffe.Class | griffe.Function, public: str, package: str, file: str
) -> Iterator[ApiEntry]:
    import griffe

    entry = _entry(member, public, package, file)
    if entry:
        yield entry
    if not isinstance(member, griffe.Class):
        return
    for name, method in member.members.items():
        if isinstance(method, griffe.Function) and not name.startswith("_"):
            entry = _entry(method, f"{public}.{name}", package, file)
            if entry:
                yield entry


def _entry(
    member: griffe.Class | griffe.Function, public: str, package: str, file: str
) -> ApiEntry | None:
    import griffe

    is_class = isinstance(member, griffe.Class)
    docstring = _docstring(member)
    fields = _class_fields(member) if isinstance(member, griffe.Class) else []
    if docstring is None or (len(docstring.value) < SHORTEST_DOC and not fields):
        return None
    summary, description, documented, returns = _sections(docstring)
    kind: Literal["class", "function", "method"] = (
        "class" if is_class else "method" if isinstance(member.parent, griffe.Class) else "function"
    )
    return ApiEntry(
        name=public,
        package=package,
        version=package_info(package)[0],
        kind=kind,
        signature=_signature(member),
        summary=summary,
        description=description,
        parameters=_merge(documented, fields or _arguments(member)),
        returns=returns,
        file=file,
    )


def _docstring(member: griffe.Class | griffe.Function) -> griffe.Docstring | None:
    """The member's docstring, or for a class without one its __init__'s."""
    import griffe

    if member.docstring or not member.is_class:
        return member.docstring
    init = member.members.get("__init__")
    return init.docstring if isinstance(init, griffe.Function) else None


def _sections(docstring: griffe.Docstring) -> tuple[str, str, list[Parameter], str]:
    """Split a docstring into summary, description with examples, parameters, and returns."""
    import griffe

    prose: list[str] = []
    parameters: list[Parameter] = []
    returns: list[str] = []
    for section in griffe.parse_google(docstring, warnings=False):
        match section.kind:
            case griffe.DocstringSectionKind.text:
                prose.append(section.value)
            case griffe.DocstringSectionKind.examples:
                prose.append("Example:\n" + "\n".join(text for _, text in section.value))
            case griffe.DocstringSectionKind.parameters | griffe.DocstringSectionKind.attributes:
                parameters += [_documented(item) for item in section.value]
            case griffe.DocstringSectionKind.returns | griffe.DocstringSectionKind.yields:
                returns += [
                    _one_line(f"{r.annotation or ''}: {r.description}") for r in section.value
                ]
            case griffe.DocstringSectionKind.admonition:
                prose.append(f"{section.title}: {section.value.description}")
    # The Hugging Face libraries write MDX in their docstrings.
    text = markdown.clean("\n\n".join(part.strip("\n") for part in prose)).strip()
    summary, _, rest = text.partition("\n\n")
    return _one_line(summary), rest.strip(), parameters, " ".join(returns).strip(": ")


def _documented(item: griffe.DocstringParameter | griffe.DocstringAttribute) -> Parameter:
    """Read one item of an Args section in the style of the Hugging Face libraries:
    name (`type`, *optional*, defaults to `value`): what it is."""
    name, annotation = item.name, str(item.annotation or "")
    if "(" in name:  # "num_train_epochs(`float`": no space before the parenthesis
        name, _, annotation = name.partition("(")
    default = ""
    if found := re.search(r"defaults? to\s+(.+)$", annotation, re.DOTALL):
        default = found[1].strip(" `)")
        annotation = annotation[: found.start()]
    annotation = re.sub(r",?\s*\*?optional\*?\s*,?", "", annotation).strip(" ,`()")
    return name.strip("*` "), annotation.replace("`", ""), default, _one_line(item.description)


def _arguments(member: griffe.Class | griffe.Function) -> list[Parameter]:
    """The parameters of a function, or of a class's __init__, from its signature."""
    import griffe

    function = member.members.get("__init__") if isinstance(member, griffe.Class) else member
    if not isinstance(function, griffe.Function):
        return []
    return [
        (p.name, str(p.annotation or ""), str(p.default or ""), "")
        for p in function.parameters
        if p.name not in ("self", "cls") and "variadic" not in str(p.kind)
    ]


def _class_fields(member: griffe.Class) -> list[Parameter]:
    """The fields of a dataclass or a pydantic model, described in Field() or metadata help."""
    import griffe

    if "__init__" in member.members:
        return []
    found: list[Parameter] = []
    for name, attribute in member.members.items():
        if name.startswith("_") or not isinstance(attribute, griffe.Attribute):
            continue
        if attribute.annotation is None:
            continue
        default, description = _field_value(str(attribute.value or ""))
        found.append((name, str(attribute.annotation), default, description))
    return found


def _field_value(source: str) -> tuple[str, str]:
    """Read default and description out of `Field(default=…, description=…)` or
    `field(default=…, metadata={"help": …})`."""
    try:
        call = ast.parse(source, mode="eval").body
    except SyntaxError:
        return source, ""
    if not isinstance(call, ast.Call) or not ast.unparse(call.func).lower().endswith("field"):
        return source, ""
    keywords = {k.arg: k.value for k in call.keywords}
    default = keywords.get("default") or next(iter(call.args), None)
    text = keywords.get("description")
    if isinstance(meta := keywords.get("metadata"), ast.Dict):
        help_at = [
            v
            for k, v in zip(meta.keys, meta.values, strict=True)
            if isinstance(k, ast.Constant) and k.value == "help"
        ]
        text = help_at[0] if help_at else None
    described = text.value if isinstance(text, ast.Constant) else ""
    return ast.unparse(default) if default else "", _one_line(str(described))


def _merge(documented: list[Parameter], declared: list[Parameter]) -> tuple[Parameter, ...]:
    """Join what the docstring says of each parameter with what the signature declares."""
    by_name = {p[0]: p for p in declared}
    merged = []
    for name, annotation, default, text in documented:
        _, type_, value, words = by_name.pop(name, ("", "", "", ""))
        merged.append((name, annotation or type_, default or value, text or words))
    return (*merged, *by_name.values())


def _signature(member: griffe.Class | griffe.Function) -> str:
    """Name and parameters on one line, without annotations: those stand with the parameters."""
    import griffe

    arguments = _class_fields(member) if isinstance(member, griffe.Class) else []
    listed = arguments or _arguments(member)
    return f"{member.name}({', '.join(n + (f'={d}' if d else '') for n, _, d, _ in listed)})"


def _one_line(text: str) -> str:
    return " ".join(text.split())
