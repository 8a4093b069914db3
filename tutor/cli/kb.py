"""`tutor kb`: fill the knowledge base, look into it, measure it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tutor.base.i18n import say
from tutor.base.text import printable
from tutor.cli.output import emit_json, json_option, narrate, show

if TYPE_CHECKING:
    from kb.evaluate import Evaluation
    from kb.fetch import Outcome
    from kb.model import Passage
    from kb.store import Store
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
    from kb import tune as tuning
    from kb.pages import pages_dir
    from kb.store import open_store

    folder = _mirror_of_documents(mirror)
    store = open_store()
    if rebuild or _wants_anew(store):
        _clear(store)
    store.check_fresh()
    outcomes: list[Outcome] = []
    with progress_bar() as progress:
        summary = syncing.build_default(store, progress)
        if (pages_dir() / "SOURCE.json").exists():
            summary += syncing.add_pages(store, pages_dir(), progress)
        if folder is None:
            folder, outcomes = _fetched(week, offline, progress)
        if folder:
            summary += syncing.sync_mirror(store, folder, week, progress)
        if tuning.due(store):
            tuning.tune(store, progress)
    _show_outcomes(outcomes)
    _report(summary, as_json, outcomes)


def _wants_anew(store: Store) -> bool:
    """Ask whether to begin with an empty index where this one is stale; no without a terminal."""
    if not (store.stale() and _at_a_terminal()):
        return False
    asked = say(
        "The index was made by another version or with another encoder. Re-index now?",
        "索引由另一个版本或另一个编码器建立。现在重建吗？",
    )
    return click.confirm(asked, default=True, err=True)


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _clear(store: Store) -> None:
    """Empty the index; name the learner's own files that only they can add again."""
    own = sorted({"/".join(path.split("/")[:2]) for path in store.hashes("mine")} - {"mine/added"})
    store.clear()
    if own:
        named = ", ".join(own)
        narrate(
            say(
                f"Your own files are to be added again with tutor kb add: {named}",
                f"你自己的文件需要重新加入（tutor kb add）：{named}",
            )
        )


def _mirror_of_documents(mirror: Path | None) -> Path | None:
    """Return the mirror to index: the one asked for, else the settings' if it holds documents."""
    from tutor.base import settings

    if mirror or not (folder := settings.load().mirror_dir):
        return mirror
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
@json_option
def tune(as_json: bool) -> None:
    """Learn from the documents how questions are worded. / 从资料中学习问题的措辞。

    Adapts the encoder's view of a question to this index, in a minute or so. A sync does it by
    itself when a fifth of the passages are new. / 让编码器对问题的理解适应本索引，约需一分钟。
    新段落达到五分之一时，同步会自动执行。
    """
    from kb import tune as tuning
    from kb.search import open_kb

    with progress_bar() as progress:
        outcome = tuning.tune(open_kb().store, progress)
    if as_json:
        emit_json(outcome)
        return
    kept = say("kept", "已采用") if outcome.kept else say("not kept", "未采用")
    click.echo(
        say(
            f"hit@5 on held-out pairs: {outcome.hit_5_before:.3f} before, "
            f"{outcome.hit_5_after:.3f} after ({outcome.pairs} pairs learned from); {kept}.",
            f"留出样本上的 hit@5：之前 {outcome.hit_5_before:.3f}，"
            f"之后 {outcome.hit_5_after:.3f}（学习了 {outcome.pairs} 对）；{kept}。",
        )
    )


@kb.command()
@click.argument("path")
@json_option
def add(path: str, as_json: bool) -> None:
    """Add a file, a folder or a page of the web. / 加入文件、文件夹或网页。

    The address of a page that is there already fetches what is new of it. /
    再次加入同一网址即更新该网页。
    """
    from kb import pages
    from kb import sync as syncing
    from kb.store import open_store

    store = open_store()
    store.check_fresh()
    with progress_bar() as progress:
        if pages.is_address(path):
            pages.fetch_page(path)
            summary = syncing.add_pages(store, pages.pages_dir(), progress)
        else:
            summary = syncing.add(store, Path(path), progress)
    _report(summary, as_json)


@kb.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove a source, a folder or a document by its name. / 按名称移除资料源、文件夹或文档。"""
    from kb import pages
    from kb import sync as syncing
    from kb.search import open_kb

    count = syncing.remove(open_kb().store, name)
    pages.forget(name)
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
        narrate(say("Nothing found. Try other words.", "没有找到，请换个说法。"))
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
            f"{held.documents} documents, {held.passages} passages, {held.embedded} with vectors; "
            f"{held.copies} copies of them in other places",
            f"{held.documents} 个文档，{held.passages} 段，其中 {held.embedded} 段有向量；"
            f"另有 {held.copies} 段是它们的副本",
        )
    )
    for table in (held.by_language, held.by_source):
        for name, count in table.items():
            click.echo(f"  {count:>7}  {name}")


@kb.command("eval")
@click.argument("questions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--against",
    multiple=True,
    type=click.Choice(["bm25s", "minilm", "llamaindex", "all"]),
    help="Measure this too, over the same documents; more than once if you like. / "
    "在同样的文档上一并评测，可多次指定。",
)
@json_option
def evaluate(questions: Path, against: tuple[str, ...], as_json: bool) -> None:
    """Measure retrieval on questions with known answers (JSONL). / 用已知答案的问题评测检索。"""
    from kb import evaluate as evaluating
    from kb.search import open_kb

    ours = open_kb()
    peers: dict[str, evaluating.System] = {}
    if against:
        from kb.peers import MODULES, build

        with progress_bar() as progress:
            peers = build(MODULES if "all" in against else against, ours.store, progress)
    results = evaluating.compare(ours, peers, evaluating.read_questions(questions))
    if as_json:
        own = results.pop("tutor")
        systems = {name: result.figures() for name, result in results.items()}
        emit_json({"n": own.overall.questions, **own.figures(), "systems": systems})
    else:
        _show_evaluations(results)


def _show_evaluations(results: dict[str, Evaluation]) -> None:
    """Print a row for each system: over all, then in each language and kind of question."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column(say("system", "系统"), no_wrap=True)
    for head in ("n", "hit@1", "hit@5", "hit@50", "doc@5", "MRR", "p50 ms", "p95 ms"):
        table.add_column(head, justify="right", no_wrap=True)
    own = next(iter(results.values()))
    for group in ("", *own.by_language, *own.by_kind):
        for at, (name, result) in enumerate(results.items()):
            score = {"": result.overall, **result.by_language, **result.by_kind}[group]
            figures = (score.hit_1, score.hit_5, score.hit_50, score.document_5, score.mrr)
            times = () if group else (f"{result.p50_ms:.1f}", f"{result.p95_ms:.1f}")
            label = (group or say("all", "全部")) if at == 0 else ""
            count = str(score.questions)
            table.add_row(label, name, count, *(f"{x:.3f}" for x in figures), *times)
    show(table)


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
        "tune": say("Learning the documents' terms", "学习资料的用词"),
        "embed": say("Making vectors of passages", "为段落计算向量"),
        "send": say("Filling the vector store", "写入向量库"),
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
    excerpt = " ".join(printable(passage.text).split())
    excerpt = excerpt if len(excerpt) <= 300 else f"{excerpt[:299]}…"
    head = click.style(f"[{number}] {printable(place).replace(' > ', ' › ')}{page}", bold=True)
    return f"{head}\n    {printable(passage.doc)}\n    {excerpt}\n"
