"""`tutor eval`: how good the answers are, beside those of a plain prompt and a stock agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tutor.base import home
from tutor.base import settings as settings_
from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say
from tutor.cli.output import emit_json, json_option, narrate, show

if TYPE_CHECKING:
    from rich.table import Table

    from tutor.agent.evaluate import Report, Row, Spread, Summary
    from tutor.agent.scoring import Question


@click.command("eval")
@click.argument("questions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--against",
    multiple=True,
    type=click.Choice(["plain", "stock"]),
    help="Ask this system too. / 同时评测该系统。",
)
@click.option("--limit", type=click.IntRange(1), help="Only the first N. / 只用前 N 题。")
@click.option(
    "--sample",
    "count",
    type=click.IntRange(1),
    help="N of them, by language and kind. / 按语言和题型抽取 N 题。",
)
@click.option(
    "--seed", default=0, show_default=True, help="The seed of --sample. / --sample 的随机种子。"
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where each row is written as it comes. / 逐题结果写入的文件。",
)
@click.option("--resume", is_flag=True, help="Go on with the rows file. / 接着上次的结果继续。")
@click.option("--verbose", is_flag=True, help="List what went wrong. / 列出答错的题。")
@json_option
def evaluate(
    questions: Path,
    against: tuple[str, ...],
    limit: int | None,
    count: int | None,
    seed: int,
    out: Path | None,
    resume: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Measure answers on questions with known answers (JSONL). / 用已知答案的问题评测回答。

    Every question goes to the tutor, and to each system named with --against, on the same engine. /
    每道题都会问 tutor，以及 --against 指定的各个系统，使用同一个引擎。
    """
    from tutor.agent.scoring import read_questions, sample

    asked = read_questions(questions)[:limit]
    asked = sample(asked, count, seed) if count else asked
    if not asked:
        raise TutorError(
            say(
                f"{questions} holds no question: one JSON object a line is expected.",
                f"{questions} 中没有题目：每行应是一个 JSON 对象。",
            )
        )
    from tutor.agent import evaluate as evaluating

    rows_file = _rows_file(out, questions, resume)
    rows, model = asyncio.run(_run(asked, against, rows_file, resume))
    if as_json:
        emit_json(evaluating.as_json(rows, model))
    else:
        _print(rows, model, verbose)
    return Exit.OK


eval = evaluate  # the command's name, by which the group looks it up


def _rows_file(out: Path | None, questions: Path, resume: bool) -> Path:
    """Return where the rows go; what an earlier run wrote there is kept beside it."""
    file = out or home.home() / "evaluations" / f"{questions.stem}.rows.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and not resume:
        file.replace(file.with_name(f"{file.name}.old"))
    narrate(
        say(
            f"Rows go to {file}; interrupted, go on with --resume.",
            f"逐题结果写入 {file}；中断后可用 --resume 继续。",
        )
    )
    return file


async def _run(
    asked: list[Question], against: tuple[str, ...], rows_file: Path, resume: bool
) -> tuple[list[Row], str]:
    """Ask what is not answered yet; return the rows of these questions and systems, and the
    model's name."""
    from kb import open_kb
    from tutor.agent import evaluate as evaluating

    settings = settings_.load()
    kb = open_kb()
    systems = evaluating.build(against, kb, settings)
    endpoint = await evaluating.warm_up(kb, settings)
    wanted = {(s.name, q.id, q.question, endpoint.model) for q in asked for s in systems}
    done = evaluating.read_rows(rows_file) if resume else []
    rows = {key: row for row in done if (key := row.key) in wanted and not row.error}
    number = len(rows)
    asking = evaluating.run(asked, systems, endpoint, rows_file, set(rows))
    async with aclosing(asking):  # type: ignore[type-var]
        async for row in asking:
            rows[row.key] = row
            number += 1
            narrate(f"{number:>5}/{len(wanted)}  {row.system:<6} {_outcome(row)}  {row.id}")
    order = {q.id: place for place, q in enumerate(asked)}
    return sorted(rows.values(), key=lambda row: order[row.id]), endpoint.model


def _outcome(row: Row) -> str:
    if row.error:
        return say(f"error: {row.error}", f"出错：{row.error}")
    if row.answerable and row.refused:
        said = say("refused", "误拒")
    else:
        said = say("right", "正确") if row.right else say("wrong", "错误")
    return f"{said:<8}{row.total_s:>7.1f} s"


def _print(rows: list[Row], model: str, verbose: bool) -> None:
    from tutor.agent import evaluate as evaluating

    reports = evaluating.report(rows)
    some = next(iter(reports.values())).overall
    click.echo(say(f"{some.n} questions, {model}", f"{some.n} 题，{model}"))
    show(_figures(reports))
    show(_breakdown(reports))
    if verbose:
        for row in rows:
            if not row.right:
                click.echo(_miss(row))


def _figures(reports: dict[str, Report]) -> Table:
    """Each figure a line, each system a column."""
    from rich.table import Table

    lines: list[tuple[str, Callable[[Summary], str]]] = [
        (say("right (answerable)", "答对（可答）"), lambda s: _share(s.right)),
        (
            say("  without the quotation", "  不计所附原文"),
            lambda s: _share(s.right_in_own_words),
        ),
        (say("told uncovered", "如实告知未涵盖"), lambda s: _share(s.told_uncovered)),
        (say("wrongly refused", "误拒"), lambda s: _share(s.wrongly_refused)),
        (say("citation precision", "引用准确率"), lambda s: _share(s.citation_precision)),
        (say("  all facts in each", "  每条含全部要点"), lambda s: _share(s.citation_precision_strict)),
        (say("citations", "引用数"), lambda s: str(s.citations)),
        (say("foreign citations", "未检索到的引用"), lambda s: str(s.foreign_citations)),
        (say("invalid steps / calls", "无效步骤 / 调用"), lambda s: f"{s.invalid_steps} / {s.calls}"),
        (say("first token s, p50 / p95", "首 token 秒数 p50 / p95"), lambda s: _spread(s.first_token_s)),
        (say("whole answer s, p50 / p95", "完整回答秒数 p50 / p95"), lambda s: _spread(s.total_s)),
        (say("prompt tokens, p50 / p95", "提示 token 数 p50 / p95"), lambda s: _spread(s.prompt_tokens, 0)),
        (say("errors", "出错"), lambda s: str(s.errors)),
    ]  # fmt: skip
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in reports:
        table.add_column(name, justify="right")
    for label, figure in lines:
        table.add_row(label, *(figure(report.overall) for report in reports.values()))
    return table


def _breakdown(reports: dict[str, Report]) -> Table:
    """The share of right answers (for unanswerable questions: told so) by group."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(say("right, by", "正确率，按"))
    table.add_column("n", justify="right")
    for name in reports:
        table.add_column(name, justify="right")
    names = {
        "lang": say("language", "语言"),
        "week": say("week", "周"),
        "kind": say("kind", "题型"),
    }
    first = next(iter(reports.values()))
    for group, label in names.items():
        for value, summary in first.by[group].items():
            found = (report.by[group].get(value) for report in reports.values())
            shares = (_share(_right(s)) if s else "–" for s in found)
            table.add_row(f"{label} {value}", str(summary.n), *shares)
    return table


def _right(summary: Summary) -> float | None:
    """The share answered right; of a group without answerable questions, the share told so."""
    return summary.told_uncovered if summary.right is None else summary.right


def _miss(row: Row) -> str:
    """Say what one answer lacks."""
    lacks = "; ".join(" | ".join(fact) for fact in row.missing) or "–"
    answer = row.error or " ".join(row.answer.split())
    return say(
        f"\n{row.system}  {row.id}: {row.question}\n  answer: {answer}\n  lacks: {lacks}\n"
        f"  the gold passage was {'' if row.found_gold else 'not '}retrieved",
        f"\n{row.system}  {row.id}：{row.question}\n  回答：{answer}\n  缺少：{lacks}\n"
        f"  {'已' if row.found_gold else '未'}检索到标准段落",
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _spread(spread: Spread, digits: int = 1) -> str:
    if spread.p50 is None or spread.p95 is None:
        return "–"
    return f"{spread.p50:.{digits}f} / {spread.p95:.{digits}f}"
