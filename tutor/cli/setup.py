"""`tutor setup` gets what is missing; `tutor doctor` says what is missing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import click

from tutor.base import assets, home
from tutor.base import settings as settings_
from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.base.settings import Profile, Settings
from tutor.cli.output import emit_json, json_option, narrate

LEAST_MEMORY_GB = 4
LEAST_DISK_GB = 4
"""Under either, the 1.5B model (1.1 GB, 2 GB at work, twice its size while it is put together)
gives way to the 135M."""


@click.command()
@click.option(
    "--profile",
    type=click.Choice(["default", "tiny", "hub"]),
    default=None,
    help="Which size of models. / 模型规模。",
)
@click.option(
    "--mirror",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with assets and documents. / 本地镜像目录。",
)
@click.option(
    "--download-only", is_flag=True, help="Fetch the models, nothing else. / 只下载模型。"
)
def setup(profile: Profile | None, mirror: Path | None, download_only: bool) -> int:
    """Get the models and the first knowledge base. / 准备模型与初始知识库。"""
    settings = _choose(settings_.load(), profile, mirror)
    for asset in assets.catalogue().values():
        if settings.profile in asset.profiles:
            pull_with_progress(asset.name, settings)
    if not download_only:
        from tutor.cli.kb import sync

        sync.callback(  # type: ignore[misc]
            mirror=None, rebuild=False, offline=True, week=None, as_json=False
        )
    return Exit.OK


@click.command()
@click.option(
    "--probe", is_flag=True, help="Only prove that llama.cpp decodes. / 仅验证 llama.cpp 能否推理。"
)
@json_option
def doctor(probe: bool, as_json: bool) -> int:
    """Say what is missing, what it costs and the command that gets it. / 检查缺什么。"""
    findings = [_probe_engine()] if probe else _examine(settings_.load())
    if as_json:
        emit_json(findings)
    else:
        for finding in findings:
            mark, colon = "✓" if finding.ok else "✗", say(": ", "：")
            click.echo(f"{mark} {finding.name}{colon}{finding.detail}")
            if finding.command:
                click.echo(f"    → {finding.command}")
    return Exit.OK if all(f.ok for f in findings) else Exit.MISSING


@dataclass(frozen=True)
class Finding:
    """One thing that doctor looked at; command gets it where it is missing, or says how."""

    name: str
    ok: bool
    detail: str
    command: str = ""


def pull_with_progress(name: str, settings: Settings) -> None:
    """Fetch an asset with a progress bar on stderr; say its licence."""
    if assets.present(name):
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    asset = assets.asset(name)
    narrate(f"{asset.title} · {asset.licence} · {asset.page}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, int] = {}

        def advance(file: str, done: int, size: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=size)
            bar.update(tasks[file], completed=done)  # type: ignore[arg-type]

        assets.fetch(name, advance, settings.mirror_dir)


def _choose(settings: Settings, profile: Profile | None, mirror: Path | None) -> Settings:
    """Settle on a profile that the machine can carry, and remember what was chosen."""
    changes: dict[str, str] = {}
    if mirror:
        changes["mirror"] = str(mirror.resolve())
    if profile is None and settings.profile == "default" and not _carries_default():
        profile = "tiny"
        narrate(
            say(
                "Little memory or disk: choosing the small model (--profile default overrides).",
                "内存或磁盘较小，已选择小模型（可用 --profile default 覆盖）。",
            )
        )
    if profile and profile != settings.profile:
        changes["profile"] = profile
    return settings_.update(**changes) if changes else settings


def _carries_default() -> bool:
    import psutil

    disk = shutil.disk_usage(home.home()).free
    there = assets.present("qwen2.5-coder-1.5b")
    return psutil.virtual_memory().total >= LEAST_MEMORY_GB * 1e9 and (
        there or disk >= LEAST_DISK_GB * 1e9
    )


def _examine(settings: Settings) -> list[Finding]:
    findings = [
        _asset_finding(asset)
        for asset in assets.catalogue().values()
        if settings.profile in asset.profiles
    ]
    place = Finding(say("settings", "设置"), True, str(home.settings_file()))
    return [
        *findings, _kb_finding(), _probe_engine(), place, _progress_finding(), _device_finding(),
    ]  # fmt: skip


def _asset_finding(asset: assets.Asset) -> Finding:
    size = f"{asset.size / 1e6:.0f} MB, {asset.licence}"
    if not assets.present(asset.name):
        return Finding(
            asset.name,
            False,
            say(f"missing ({size})", f"缺失（{size}）"),
            f"tutor model pull {asset.name}",
        )
    if wrong := assets.verify(asset.name):
        return Finding(
            asset.name,
            False,
            say(f"damaged: {', '.join(wrong)}", f"已损坏：{', '.join(wrong)}"),
            f"tutor model pull {asset.name} --again",
        )
    return Finding(asset.name, True, size)


def _kb_finding() -> Finding:
    from kb import open_kb
    from tutor.base.errors import TutorError

    name = say("knowledge base", "知识库")
    try:
        stats = open_kb().stats()
    except TutorError as error:
        return Finding(name, False, error.message, error.hint)
    return Finding(
        name,
        True,
        say(
            f"{stats.documents} documents, {stats.passages} passages",
            f"{stats.documents} 个文档，{stats.passages} 段",
        ),
    )


def _probe_engine() -> Finding:
    from tutor.engine.probe import probe

    name = say("llama.cpp decodes", "llama.cpp 推理")
    if not assets.present("smollm2-135m"):
        return Finding(
            name,
            False,
            say("no model to try it with", "没有可用于测试的模型"),
            "tutor model pull smollm2-135m",
        )
    result = probe(assets.path("smollm2-135m"))
    return Finding(name, result.ok, result.detail, "" if result.ok else "make start")


def _progress_finding() -> Finding:
    from tutor.progress import open_progress

    progress, kept = open_progress()
    progress.close()
    name = say("progress record", "学习记录")
    if kept:
        return Finding(
            name,
            True,
            say(
                f"was corrupt, kept as {kept}; a new one was started",
                f"原记录已损坏，保留为 {kept}；已新建记录",
            ),
        )
    return Finding(name, True, str(home.progress_file()))


def _device_finding() -> Finding:
    import psutil

    memory = psutil.virtual_memory().total / 1e9
    cores = psutil.cpu_count(logical=False) or 1
    gpu = shutil.which("nvidia-smi") is not None
    detail = say(
        f"{cores} cores, {memory:.0f} GB of memory, {'a GPU' if gpu else 'no GPU'}",
        f"{cores} 核，{memory:.0f} GB 内存，{'有 GPU' if gpu else '无 GPU'}",
    )
    return Finding(say("machine", "本机"), True, detail)
