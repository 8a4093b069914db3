"""`tutor kb`: fill the knowledge base, look into it, measure it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tutor.base.i18n import say
from tutor.cli.output import emit_json, json_option, narrate

if TYPE_CHECKING:
    from kb.fetch import Outcome
    from kb.model import Passage
    from kb.sync import Summary

week_option = click.option(
    "--week", type=click.IntRange(0, 9),
    help="Only what the plan links in this unit (0 to 9). / 只限计划中该单元的资料（0 到 9）。",
)  # fmt: skip


@click.group()
def kb() -> None:
    """The knowledge base: what answers are made of. / 知识库：回答的依据。"""


@kb.command()
@click.option(
    "--mirror", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of documents, one folder a source. / 资料镜像目录，每个源一个子目录。",
)  # fmt: skip
@click.option("--rebuild", is_flag=True, help="Begin with an empty index. / 清空索引后重建。")
@click.option(
    "--offline",
    is_flag=True,
    help="Fetch nothing; index what is here. / 不联网，只索引已有的资料。",
)
@week_option
@json_option
def sync(
    mirror: Path | None, rebuild: bool, offline: bool, week: int | None, as_json: bool
) -> None:
    """Bring the knowledge base up to date. / 更新知识库。

    Without a mirror, the documents that the plan links are fetched over the network: whole
    repositories the first time, later only what is new. A source that cannot be fetched is listed
    and the rest goes on: the exit status is 0, because what is indexed already works. /
    没有镜像目录时，从网络获取计划链接的资料：首次下载整个仓库，之后只取有更新的。
    获取失败的会列出，不影响其余，退出码仍为 0。

    Stop it at any time: the next run goes on where it was. / 可随时中断，下次接着做。
    """
    from kb import sync as syncing
    from kb.store import open_store

    folder = _mirror_of_documents(mirror)
    store = open_store()
    if rebuild:
        store.clear()
    store.check_fresh()
    outcomes: list[Outcome] = []
    with progress_bar() as progress:
        summary = syncing.build_default(store, progress)
        if folder is None:
            folder, outcomes = _fetched(week, offline, progress)
        if folder:
            summary += syncing.sync_mirror(store, folder, week, progress)
    _show_outcomes(outcomes)
    _report(summary, as_json, outcomes)


def _mirror_of_documents(mirror: Path | None) -> Path | None:
    """Return the mirror to index: the one asked for, else the settings' if it holds documents."""
    from tutor.base import settings

    if mirror or not (named := settings.load().mirror):
        return mirror
    folder = Path(named).expanduser()
    return folder if any(folder.glob("*/SOURCE.json")) else None


def _fetched(
    week: int | None, offline: bool, progress: Callable[[str, int, int], None]
) -> tuple[Path | None, list[Outcome]]:
    """Fetch the plan's documents; return their folder if it holds any, and what came of each."""
    from curriculum.sources import sources
    from kb.fetch import fetch_all, sources_dir

    outcomes = [] if offline else fetch_all(sources(), week, progress)
    folder = sources_dir()
    there = any(folder.glob("*/SOURCE.json"))
    if offline and not there:
        narrate(
            say(
                "Indexed without the network. To fetch what the plan links: tutor kb sync",
                "未联网。要获取计划中链接的资料，请运行：tutor kb sync",
            )
        )
    return (folder if there else None), outcomes


@kb.command()
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def add(path: Path, as_json: bool) -> None:
    """Add a file or a folder of your own. / 加入你自己的文件或文件夹。"""
    from kb import sync as syncing
    from kb.store import open_store

    store = open_store()
    store.check_fresh()
    with progress_bar() as progress:
        summary = syncing.add(store, path, progress)
    _report(summary, as_json)


@kb.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove a source, a folder or a document by its name. / 按名称移除资料源、文件夹或文档。"""
    from kb import sync as syncing
    from kb.search import open_kb

    count = syncing.remove(open_kb().store, name)
    if as_json:
        emit_json({"removed": count})
    else:
        narrate(say(f"Removed {count} document(s).", f"已移除 {count} 个文档。"))


@kb.command()
@click.argument("query")
@week_option
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Only this language. / 只限该语言。")
@click.option(
    "-k",
    type=click.IntRange(1, 50),
    default=5,
    show_default=True,
    help="How many passages. / 返回多少段。",
)
@json_option
def search(query: str, week: int | None, lang: str | None, k: int, as_json: bool) -> None:
    """Find passages. / 检索段落。"""
    from kb.search import open_kb

    found = open_kb().search(query, k=k, week=week, lang=lang)
    if as_json:
        emit_json(found)
        return
    if not found:
        narrate(say("Nothing found.", "没有找到。"))
    for number, passage in enumerate(found, 1):
        click.echo(_shown(number, passage))


@kb.command()
@json_option
def stats(as_json: bool) -> None:
    """Say what the knowledge base holds. / 查看知识库中有什么。"""
    from kb.search import open_kb

    held = open_kb().stats()
    if as_json:
        emit_json(held)
        return
    click.echo(
        say(
            f"{held.documents} documents, {held.passages} passages, {held.embedded} with vectors",
            f"{held.documents} 个文档，{held.passages} 段，其中 {held.embedded} 段有向量",
        )
    )
    for table in (held.by_language, held.by_source):
        for name, count in table.items():
            click.echo(f"  {count:>7}  {name}")


@kb.command("eval")
@click.argument("questions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def evaluate(questions: Path, as_json: bool) -> None:
    """Measure retrieval on questions with known answers (JSONL). / 用已知答案的问题评测检索。"""
    from kb import evaluate as evaluating
    from kb.search import open_kb

    result = evaluating.evaluate(open_kb(), evaluating.read_questions(questions))
    if as_json:
        emit_json(result)
        return
    groups = {say("all", "全部"): result.overall, **result.by_language, **result.by_kind}
    click.echo(f"{'':10}{'n':>5}{'hit@1':>8}{'hit@5':>8}{'hit@50':>8}{'doc@5':>8}{'MRR':>8}")
    for name, score in groups.items():
        click.echo(
            f"{name:10}{score.questions:>5}{score.hit_1:>8.2f}{score.hit_5:>8.2f}"
            f"{score.hit_50:>8.2f}{score.document_5:>8.2f}{score.mrr:>8.2f}"
        )
    click.echo(f"p50 {result.p50_ms} ms, p95 {result.p95_ms} ms")


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows progress on stderr: what is being done, how far, of how many."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    names = {
        "fetch": say("Fetching documents", "获取资料"),
        "read": say("Reading documents", "读取文档"),
        "embed": say("Making vectors of passages", "为段落计算向量"),
    }
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def step(doing: str, done: int, total: int) -> None:
            bar.update(task, description=names[doing], completed=done, total=total)

        yield step


def _show_outcomes(outcomes: list[Outcome]) -> None:
    """List on stderr what came of each source."""
    if not outcomes:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = {
        "fetched": say("fetched", "已获取"),
        "unchanged": say("unchanged", "未变"),
        "failed": say("failed", "失败"),
        "link only": say("link only", "仅链接"),
    }
    table = Table(box=None, pad_edge=False)
    table.add_column(say("source", "资料源"), overflow="fold")
    table.add_column(say("state", "状态"), no_wrap=True)
    table.add_column(say("detail", "说明"), overflow="fold")
    for outcome in outcomes:
        style = "red" if outcome.state == "failed" else None
        table.add_row(outcome.slug, names[outcome.state], Text(outcome.detail), style=style)
    Console(stderr=True, highlight=False).print(table)


def _report(summary: Summary, as_json: bool, outcomes: list[Outcome] | None = None) -> None:
    """Print what a sync did: problems and counts on stderr, or everything as JSON."""
    from kb.sync import without_vectors_note

    if as_json:
        fetched = {} if outcomes is None else {"sources": outcomes}
        emit_json({**asdict(summary), **fetched})
        return
    for problem in summary.problems:
        narrate(
            say(
                f"left out: {problem.path}: {problem.reason}",
                f"已跳过：{problem.path}：{problem.reason}",
            )
        )
    narrate(
        say(
            f"{summary.added} documents added, {summary.updated} updated, "
            f"{summary.unchanged} unchanged, {summary.removed} removed, "
            f"{len(summary.problems)} left out; {summary.embedded} passages embedded.",
            f"新增 {summary.added} 个文档，更新 {summary.updated}，未变 {summary.unchanged}，"
            f"移除 {summary.removed}，跳过 {len(summary.problems)}；新算向量 {summary.embedded} 段。",
        )
    )
    if note := without_vectors_note(summary):
        narrate(note)


def _shown(number: int, passage: Passage) -> str:
    place = (
        passage.heading
        if passage.heading.startswith(passage.title)
        else (f"{passage.title} > {passage.heading}" if passage.heading else passage.title)
    )
    page = say(f" (page {passage.page})", f"（第 {passage.page} 页）") if passage.page else ""
    excerpt = " ".join(passage.text.split())
    excerpt = excerpt if len(excerpt) <= 300 else f"{excerpt[:299]}…"
    head = click.style(f"[{number}] {place.replace(' > ', ' › ')}{page}", bold=True)
    return f"{head}\n    {passage.doc}\n    {excerpt}\n"
