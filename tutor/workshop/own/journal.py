"""A file that work is appended to as it is done, and gone on with after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class Journal:
    """JSON lines. A line that a kill cut off is taken away when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        written = self.path.read_bytes() if self.path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]
        if whole != written:
            self.path.write_bytes(whole)
        return [msgspec.json.decode(line) for line in whole.splitlines()]

    def append(self, row: dict[str, Any]) -> None:
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(row) + b"\n")
