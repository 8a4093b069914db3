"""`tutor ask`: the answer on stdout as it comes, the steps on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import textwrap
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from tutor.base import settings as settings_
from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.cli.output import emit_json, flow, folded, json_option, narrate
from tutor.cli.study import open_record

if TYPE_CHECKING:
    from kb import Passage
    from tutor.agent import Answer, Event, Session
    from tutor.agent.teach import Level
    from tutor.progress import Progress
    from tutor.progress.sessions import Turn

LEVELS = ("child", "beginner", "engineer", "researcher")


@click.command()
@click.argument("question", nargs=-1)
@click.option(
    "--continue",
    "-c",
    "go_on",
    is_flag=True,
    help="Go on with the last session. / 接着上次的会话。",
)
@click.option("--session", type=int, help="Go on with this session. / 接着指定编号的会话。")
@click.option(
    "--history",
    is_flag=True,
    help="List past questions, or those with WORDS. / 列出或搜索以往提问。",
)
@click.option(
    "--explain-like",
    type=click.Choice(LEVELS),
    help="For whom to explain: a child, a beginner, an engineer, a researcher. / "
    "讲给谁听：孩子、初学者、工程师、研究者。",
)
@click.option(
    "--own-view",
    is_flag=True,
    help="The model's own view, without sources. / 模型自己的看法，不查资料。",
)
@click.option("--trace", is_flag=True, help="Show every step on stderr. / 在 stderr 上显示每一步。")
@json_option
def ask(
    question: tuple[str, ...],
    go_on: bool,
    session: int | None,
    history: bool,
    explain_like: Level | None,
    own_view: bool,
    trace: bool,
    as_json: bool,
) -> int:
    """Ask a question; the answer cites its sources. / 提问，回答注明出处。

    The question is answered in its own language, from the knowledge base only. Asked how to solve
    an exercise, the tutor gives the next hint. /
    用提问的语言回答，只依据知识库。问练习怎么做时，只给下一条提示。
    """
    text = " ".join(question)
    settings = settings_.load()
    if not (history or text.strip()):
        raise click.UsageError("Missing argument 'QUESTION...'.")
    record = open_record()
    if history:
        return _print_history(record, text, session, as_json)

    from kb import open_kb

    chat = _session(record, go_on, session)
    events = chat.ask(text, open_kb, settings=settings, level=explain_like, own=own_view)
    answer = asyncio.run(_follow(events, trace, quiet=as_json))
    record.close()
    if as_json:
        emit_json(answer)
    else:
        _print_sources(answer)
    return Exit.OK


def _session(record: Progress, go_on: bool, session: int | None) -> Session:
    """The session to go on with, or a new one: where nothing was asked before, there is none to
    go on with."""
    from tutor import agent

    if session is not None:
        return agent.resume(record, session)
    return agent.Session(record, record.sessions.latest() if go_on else None)


async def _follow(events: AsyncIterator[Event], trace: bool, quiet: bool) -> Answer:
    """Print the events as they come; return the answer."""
    from tutor.agent import Done, Observation, Thought, Token, ToolCall

    lines = flow()
    streamed = False
    async with contextlib.aclosing(events):  # type: ignore[type-var]
        async for event in events:
            match event:
                case Token(text) if not quiet:
                    streamed = True
                    click.echo(lines.feed(text), nl=False)
                case Observation(passages) if trace:
                    for passage in passages:
                        narrate(f"  · {_place(passage)}")
                case ToolCall(name, arguments) if trace:
                    narrate(f"  → {name} {arguments}")
                case Thought(text) if trace:
                    narrate(f"  … {text}")
                case Done(answer):
                    if not quiet:
                        click.echo(lines.end() if streamed else folded(answer.text))
                    return answer
    raise AssertionError("the agent's last event is Done")


def _print_sources(answer: Answer) -> None:
    if answer.unsupported:
        narrate(say("[?] marks what no source supports.", "[?] 表示没有资料支持的句子。"))
    if answer.citations:
        click.echo()
    for citation in answer.citations:
        click.echo(folded(f"[{citation.number}] {_place(citation.passage)}", "    "))
    if where := answer.read_on:
        place = f"tutor lesson {where.unit}" if where.unit else where.url
        click.echo("\n" + folded(say("Read on: ", "延伸阅读：") + f"{where.title} ({place})"))
    if answer.nearest:
        click.echo("\n" + say("Nearest in the sources:", "资料中最接近的内容："))
        for passage in answer.nearest:
            click.echo(folded(f"  - {_place(passage)}", "    "))
    if not (answer.covered or answer.own_view):
        narrate(
            say(
                "For the model's own view, without sources: tutor ask --own-view",
                "想听模型自己的看法（没有出处）：tutor ask --own-view",
            )
        )


def _place(passage: Passage) -> str:
    """Return where a passage stands: title, headings, page and document."""
    heading = passage.heading.replace(" > ", " › ")
    place = heading if heading.startswith(passage.title) else f"{passage.title} › {heading}"
    place = place.removesuffix(" › ")
    page = f", p. {passage.page}" if passage.page else ""
    return f"{place}{page}  ({passage.doc})"


def _print_history(record: Progress, words: str, session: int | None, as_json: bool) -> int:
    """Print the turns that hold the words, newest first; those of one session whole."""
    turns = record.sessions.find(words, session)
    record.close()
    if as_json:
        emit_json(turns)
        return Exit.OK
    for turn in turns:
        _print_turn(turn, whole=session is not None)
    if turns:
        narrate(say("Go on with one: tutor ask --session N", "接着某个会话：tutor ask --session N"))
    else:
        narrate(say("Nothing was found.", "没有找到。"))
    return Exit.OK


def _print_turn(turn: Turn, whole: bool) -> None:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(turn.at))
    click.echo(f"{turn.session:>4}  {when}  {turn.question}")
    answer = say("(unanswered)", "（未回答）") if turn.answer is None else turn.answer
    if not whole:
        answer = textwrap.shorten(answer, 90, placeholder=" …")
    click.echo(textwrap.indent(answer, " " * 6))
