"""Assets against a local web server and a local package folder that misbehave on demand."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tutor.base import assets
from tutor.base.assets import Asset, AssetFile, Source
from tutor.base.errors import MissingError, TutorError
from tutor.base.settings import Settings
from tutor.cli.setup import pull_with_progress

DATA = bytes(range(256)) * 8192  # 2 MiB


class Web(http.server.BaseHTTPRequestHandler):
    """Serves DATA; the path's first part says how to misbehave."""

    ranges: list[str]

    def do_GET(self) -> None:
        data, start = DATA, 0
        if wanted := self.headers.get("Range"):
            self.server.ranges.append(wanted)  # type: ignore[attr-defined]
            if "/norange/" not in self.path:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if "/missing/" in self.path:
            self.send_error(404)
            return
        if "/wrong/" in self.path:
            data = b"x" * len(DATA)
        if "/long/" in self.path:
            data = DATA + b"more"
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut = "/cut/" in self.path and not start
        self.wfile.write(data[start : len(data) // 2 if cut else None])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.ranges = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def use(home: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return a function that makes an asset of these sources the only one of the catalogue."""
    (home / "assets").unlink(missing_ok=True)

    def make(*sources: Source) -> Asset:
        file = AssetFile("sub/data.bin", len(DATA), hashlib.sha256(DATA).hexdigest())
        asset = Asset("thing", "A thing", "dataset", "MIT", "", 1, ("tiny",), sources, (file,))
        monkeypatch.setattr(assets, "catalogue", lambda: {"thing": asset})
        return asset

    return make


def url(web: http.server.ThreadingHTTPServer, way: str) -> Source:
    return Source("url", url=f"http://127.0.0.1:{web.server_address[1]}/{way}")


def test_download_is_verified_and_lands_whole(web, use) -> None:
    use(url(web, "good"))
    ticks: list[tuple[str, int, int]] = []
    path = assets.fetch("thing", lambda *tick: ticks.append(tick))
    assert path.read_bytes() == DATA
    assert ticks[-1] == ("sub/data.bin", len(DATA), len(DATA))
    assert [p.name for p in path.parent.iterdir()] == ["data.bin"]


def test_a_cut_download_goes_on_where_it_stopped(web, use) -> None:
    asset = use(url(web, "cut"))
    with pytest.raises(MissingError) as failed:
        assets.fetch("thing")
    assert str(len(DATA) // 2) in failed.value.message
    part = asset.folder / "sub/data.bin.part"
    assert part.stat().st_size == len(DATA) // 2
    assert assets.fetch("thing").read_bytes() == DATA
    assert web.ranges == [f"bytes={len(DATA) // 2}-"]


def test_a_server_without_ranges_starts_over(web, use) -> None:
    asset = use(url(web, "norange"))
    part = asset.folder / "sub/data.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half of something else")
    assert assets.fetch("thing").read_bytes() == DATA


@pytest.mark.parametrize("way", ["wrong", "long"])
def test_wrong_bytes_are_refused_and_leave_nothing(web, use, way) -> None:
    asset = use(url(web, way))
    with pytest.raises(MissingError) as failed:
        assets.fetch("thing")
    assert ("refused" if way == "wrong" else "longer than") in failed.value.message
    assert not assets.present("thing")
    assert not (asset.folder / "sub/data.bin").exists()


def test_sources_are_tried_in_order(web, use) -> None:
    use(url(web, "missing"), url(web, "wrong"), url(web, "good"))
    assert assets.fetch("thing").read_bytes() == DATA


def test_the_hub_is_asked_at_hf_endpoint(web, use, monkeypatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{web.server_address[1]}")
    use(Source("hub", repo="someone/something"))
    assert assets.fetch("thing").read_bytes() == DATA


def test_a_mirror_folder_comes_first(use, tmp_path) -> None:
    use(Source("url", url="http://127.0.0.1:9/nobody"))
    copy = tmp_path / "mirror/assets/thing/sub/data.bin"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(DATA)
    assert assets.fetch("thing", mirror=tmp_path / "mirror").read_bytes() == DATA


def test_the_settings_mirror_may_lie_under_the_learners_home(use, tmp_path, monkeypatch) -> None:
    use()
    copy = tmp_path / "class/assets/thing/sub/data.bin"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(DATA)
    monkeypatch.setenv("HOME", str(tmp_path))
    pull_with_progress("thing", Settings(mirror="~/class"))
    assert assets.present("thing")


def test_what_arrived_outlives_a_fallback_that_fails(use, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    asset = use(Source("pypi", requirement="piece{part}==1.0", member="piece{part}/p.bin", parts=2))
    part = asset.folder / "sub/data.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA[:1000])
    with pytest.raises(MissingError, match="piece1"):
        assets.fetch("thing")
    assert part.read_bytes() == DATA[:1000]


def test_pieces_in_wheels_are_joined_without_installing(use, tmp_path, monkeypatch) -> None:
    half = len(DATA) // 2
    for number, piece in ((1, DATA[:half]), (2, DATA[half:])):
        name = f"piece{number}"
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/p.bin", piece)
            wheel.writestr(f"{name}/__init__.py", "raise SystemExit('must never run')")
            meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", meta)
            tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{name}-1.0.dist-info/WHEEL", tag)
            wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    asset = use(Source("pypi", requirement="piece{part}==1.0", member="piece{part}/p.bin", parts=2))
    assert assets.fetch("thing").read_bytes() == DATA
    assert {p.name for p in asset.folder.iterdir()} <= {"sub", ".lock"}


def test_damage_is_seen_by_verify(web, use) -> None:
    use(url(web, "good"))
    path = assets.fetch("thing")
    assert assets.verify("thing") == []
    path.write_bytes(b"x" * len(DATA))
    assert assets.verify("thing") == ["sub/data.bin"]


def test_what_is_missing_names_the_command(use) -> None:
    use()
    with pytest.raises(MissingError) as missing:
        assets.path("thing")
    assert missing.value.hint == "Run: tutor model pull thing"
    with pytest.raises(TutorError) as unknown:
        assets.path("thin")
    assert unknown.value.code == 2
    assert "thing" in unknown.value.hint


def test_too_little_disk_is_said_before_the_download(web, use, monkeypatch) -> None:
    use(url(web, "good"))
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(assets.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(MissingError, match="free disk"):
        assets.fetch("thing")


def sdist(folder: Path, members: dict[str, bytes | str]) -> None:
    """Write thing-1.0.tar.gz with another archive in it; a str is where a link points to."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    with tarfile.open(folder / "thing-1.0.tar.gz", "w:gz") as tar:
        for name, data in {
            "thing-1.0/PKG-INFO": b"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
            "thing-1.0/setup.py": f"open({str(folder / 'ran')!r}, 'w')".encode(),
            "thing-1.0/more/data.tar.gz": inner.getvalue(),
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture
def from_sdist(use, tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    """Return a function that makes an asset of a source archive with these members."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    def make(members: dict[str, bytes | str]) -> Asset:
        sdist(tmp_path, members)
        member = "thing-1.0/more/data.tar.gz!/inner/{path}"
        return use(Source("sdist", requirement="thing==1.0", member=member))

    return make


def test_one_file_of_an_archive_in_a_source_archive(from_sdist, tmp_path) -> None:
    asset = from_sdist({"inner/sub/data.bin": DATA, "../evil": b"x", "inner/other": b"y"})
    ticks: list[tuple[str, int, int]] = []
    assert assets.fetch("thing", lambda *tick: ticks.append(tick)).read_bytes() == DATA
    assert ticks == [("sub/data.bin", len(DATA), len(DATA))]
    assert not (tmp_path / "ran").exists(), "the package's setup.py was run"
    assert {p.name for p in asset.folder.rglob("*")} <= {"sub", "data.bin", ".lock"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"inner/sub/data.bin": "/etc/passwd"}, "not a plain file"),
        ({"inner/sub/data.bin": DATA + b"more"}, f"not {len(DATA)}"),
        ({"inner/sub/data.bin": b"x" * len(DATA)}, "refused"),
        ({"inner/other": DATA}, "inner/sub/data.bin"),
    ],
)
def test_a_source_archive_that_is_not_what_was_meant(from_sdist, content, why) -> None:
    from_sdist(content)
    with pytest.raises(MissingError, match=why):
        assets.fetch("thing")
    assert not assets.present("thing")


def test_a_source_archive_that_is_not_there(from_sdist, tmp_path) -> None:
    from_sdist({})
    (tmp_path / "thing-1.0.tar.gz").unlink()
    with pytest.raises(MissingError, match=r"thing==1\.0"):
        assets.fetch("thing")
