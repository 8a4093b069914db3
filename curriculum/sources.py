"""Where the plan's linked documents can be fetched: sources.toml beside this file.

A source is a PDF, a folder of a GitHub repository at one commit, or a page that is only linked,
with the reason.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from tutor.base.i18n import Bilingual, Language


@dataclass(frozen=True)
class Source:
    """One thing to fetch, or to link only."""

    slug: str
    """The folder that it goes into, and `Resource.source` of what it holds."""
    kind: Literal["pdf", "archive", "link"]
    page: str
    """The address for people: for a PDF and a link, the one in the plan."""
    languages: tuple[Language, ...]
    licence: str = ""
    """Empty where none is stated: to be read, not to be passed on."""
    url: str = ""
    """What is downloaded; empty for a link."""
    file: str = ""
    """The file's name in the folder (pdf)."""
    repo: str = ""
    """owner/name on GitHub (archive)."""
    commit: str = ""
    """What the archive holds; an archive of one commit never changes."""
    take: str = ""
    """A regular expression: the paths in the repository that are taken (archive)."""
    reason: Bilingual | None = None
    """Why it is only linked."""

    @property
    def name(self) -> str:
        """What it is called in tables: its folder, with the file where it is one of several."""
        return f"{self.slug}/{self.file}" if self.file else self.slug

    def in_week(self, week: int | None) -> bool:
        """Tell whether the plan links it in the unit (0 to 9); None is the whole plan."""
        if week is None:
            return True
        from curriculum import units

        resources = [r for unit in units() if unit.number == week for r in unit.resources]
        if self.kind == "archive":
            return any(r.source == self.slug for r in resources)
        return any(r.url == self.page for r in resources)


@cache
def sources() -> tuple[Source, ...]:
    """Return every source, in the order of the file."""
    entries = tomllib.loads(Path(__file__).with_name("sources.toml").read_text("utf-8"))
    return tuple(
        msgspec.convert({**entry, **_archive_address(entry)}, Source)
        for entry in entries["sources"]
    )


def _archive_address(entry: dict[str, str]) -> dict[str, str]:
    if entry["kind"] != "archive":
        return {}
    repo, commit = entry["repo"], entry["commit"]
    return {
        "url": f"https://codeload.github.com/{repo}/zip/{commit}",
        "page": f"https://github.com/{repo}",
    }
