"""`tutor ask`: the answer on stdout as it comes, the steps on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import textwrap
from collections.abc import AsyncIterator

import click

from tutor.base import settings as settings_
from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.cli.output import emit_json, json_option, narrate


@click.command()
@click.argument("question", nargs=-1, required=True)
@click.option("--trace", is_flag=True, help="Show every step on stderr. / 显示每一步。")
@json_option
def ask(question: tuple[str, ...], trace: bool, as_json: bool) -> int:
    """Ask a question; the answer cites its sources. / 提问，回答注明出处。

    The question is answered in its own language, from the knowledge base only.
    """
    from kb import open_kb
    from tutor import agent
    from tutor.progress import open_progress

    text = " ".join(question)
    settings = settings_.load()
    events = agent.ask(text, open_kb(), settings=settings)
    answer = asyncio.run(_follow(events, trace, quiet=as_json))
    progress, _ = open_progress()
    progress.log("question", text, answer=answer.text, covered=answer.covered, model=answer.model)
    if as_json:
        emit_json(answer)
    else:
        _print_sources(answer)
    return Exit.OK


async def _follow(events: AsyncIterator, trace: bool, quiet: bool):  # type: ignore[no-untyped-def]
    """Print the events as they come; return the answer."""
    from tutor.agent import Done, Observation, Thought, Token, ToolCall

    streamed = False
    async with contextlib.aclosing(events):  # type: ignore[type-var]
        async for event in events:
            match event:
                case Token(text) if not quiet:
                    streamed = True
                    click.echo(text, nl=False)
                case Observation(passages) if trace:
                    for passage in passages:
                        narrate(f"  · {_place(passage)}")
                case ToolCall(name, arguments) if trace:
                    narrate(f"  → {name} {arguments}")
                case Thought(text) if trace:
                    narrate(f"  … {text}")
                case Done(answer):
                    if not quiet:
                        click.echo("" if streamed else answer.text)
                    return answer
    raise AssertionError("the agent's last event is Done")


def _print_sources(answer) -> None:  # type: ignore[no-untyped-def]
    width = min(shutil.get_terminal_size().columns, 100)
    if answer.unsupported:
        narrate(say("[?] marks what no source supports.", "[?] 表示没有资料支持的句子。"))
    if answer.citations:
        click.echo()
    for citation in answer.citations:
        click.echo(f"[{citation.number}] {_place(citation.passage)}")
        click.echo(_excerpt(citation.passage.text, width))
    if answer.nearest:
        click.echo("\n" + say("Nearest in the sources:", "资料中最接近的内容："))
        for passage in answer.nearest:
            click.echo(f"  - {_place(passage)}")


def _place(passage) -> str:  # type: ignore[no-untyped-def]
    """Return where a passage stands: title, headings, page and document."""
    heading = passage.heading.replace(" > ", " › ")
    place = heading if heading.startswith(passage.title) else f"{passage.title} › {heading}"
    place = place.removesuffix(" › ")
    page = f", p. {passage.page}" if passage.page else ""
    return f"{place}{page}  ({passage.doc})"


def _excerpt(text: str, width: int) -> str:
    short = textwrap.shorten(text, 240, placeholder=" …")
    return textwrap.fill(short, width, initial_indent="    ", subsequent_indent="    ")
