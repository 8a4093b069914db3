"""The learner's settings: TUTOR_HOME/settings.toml, over which TUTOR_* variables win."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tutor.base import home
from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import say, use_language
from tutor.base.writing import write

Profile = Literal["default", "tiny", "hub"]


@dataclass(frozen=True)
class Settings:
    """Every setting, with its default."""

    language: Literal["auto", "en", "zh"] = "auto"
    profile: Profile = "default"
    """Which size of model and data: "tiny" (135M), "default" (1.5B), "hub" (from the hub)."""
    model: str = ""
    """The chat model's asset name; empty: the profile's."""
    previous_model: str = ""
    """The model that answered before it; `tutor model rollback` returns to that."""
    base_url: str = ""
    """An OpenAI-compatible server to use in place of the engine, for example Ollama's."""
    api_key: str = ""
    workspace: str = "~/tutor-workspace"
    """Where the learner's own exercise files lie."""
    mirror: str = ""
    """A folder that holds assets and documents, for a class without network."""
    vector_store: str = ""
    """A LlamaIndex vector store to search in place of kb.db's own vectors: "qdrant:FOLDER",
    "qdrant:http://HOST:6333" or "pgvector:postgresql://USER:PASSWORD@HOST/DATABASE"; filled by
    `tutor kb sync`."""
    engine_idle_s: Annotated[int, Meta(ge=5)] = 900
    """The engine stops after so many seconds without a question."""
    context_tokens: Annotated[int, Meta(ge=1024, le=131_072)] = 4096
    gpus: Annotated[int, Meta(ge=1, le=64)] = 1
    """Training jobs run in so many processes, one a GPU, which `accelerate launch` starts."""
    week: Annotated[int, Meta(ge=0, le=9)] = 0
    """The unit that the learner is in (0 foundations, 1 to 8, 9 deployment)."""

    @property
    def offline(self) -> bool:
        """Whether what the learner runs is kept from the hub."""
        return self.profile != "hub"

    @property
    def workspace_dir(self) -> Path:
        return Path(self.workspace).expanduser()

    @property
    def mirror_dir(self) -> Path | None:
        return Path(self.mirror).expanduser() if self.mirror else None


def load() -> Settings:
    """Read the settings.

    Raises TutorError (usage) naming the setting that is unknown, of the wrong type or out of bounds.
    """
    environment = _environment_values()
    values = _file_values() | environment
    use_language(str(values.get("language", "auto")))  # what is refused below is said in it
    _refuse_unknown(values)
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        name = str(error).rpartition("$.")[2].rstrip("`")
        place = f"TUTOR_{name.upper()}" if name in environment else home.settings_file()
        raise TutorError(
            say(f"A setting is not valid: {error}", f"设置有误：{error}"),
            say(f"Look at {place}.", f"请检查 {place}。"),
        ) from error


def update(**changes: Any) -> Settings:
    """Change settings in the file, keeping the learner's comments; return what is now in force."""
    import tomlkit

    _refuse_unknown(changes)
    path = home.settings_file()
    document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
    document.update(changes)
    write(path, tomlkit.dumps(document).encode())
    return load()


def _file_values() -> dict[str, Any]:
    path = home.settings_file()
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TutorError(
            say(f"{path} is not valid TOML: {error}", f"{path} 不是合法的 TOML：{error}"),
            say("Correct that line, or delete the file.", "请改正该行，或删除这个文件。"),
        ) from error


def _environment_values() -> dict[str, str]:
    names = {field.name for field in fields(Settings)}
    return {
        name: value
        for name in names
        if (value := os.environ.get(f"TUTOR_{name.upper()}")) is not None
    }


def _refuse_unknown(values: dict[str, Any]) -> None:
    known = [field.name for field in fields(Settings)]
    for name in values:
        if name not in known:
            raise TutorError(
                say(f"Unknown setting: {name}", f"未知的设置项：{name}"),
                say(
                    f"Did you mean: {nearest(name, known)}?", f"是否想写：{nearest(name, known)}？"
                ),
            )
