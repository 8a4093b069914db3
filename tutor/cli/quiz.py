"""`tutor quiz`: cards on a unit, or on all of them, when they are due."""

from __future__ import annotations

import sys
import time
from typing import Any

import click
import msgspec

import curriculum
from curriculum.quiz import Card, Choice, Number, Recall, all_cards, cards
from tutor.base import settings
from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.cli.output import emit_json, folded, json_option, narrate
from tutor.cli.study import open_record
from tutor.progress.reviews import NEW_A_DAY, Asked, Counts, Rating, Reviews
from tutor.progress.sitting import (
    Sitting,
    grade,
    kept,
    plain_number,
    rating_name,
    rating_of,
    solution,
    span,
    when_again,
    where_taught,
)

clock = time.time
"""Tests set it."""


@click.command()
@click.argument("unit", required=False)
@click.option(
    "--count", type=click.IntRange(min=1), help="At most so many cards. / 最多多少张卡片。"
)
@click.option(
    "--new",
    type=click.IntRange(min=0),
    default=NEW_A_DAY,
    show_default=True,
    help="New cards a day. / 每天的新卡片数。",
)
@click.option("--due", is_flag=True, help="Only count what is due. / 只统计到期的卡片。")
@json_option
def quiz(unit: str | None, count: int | None, new: int, due: bool, as_json: bool) -> int:
    """Answer the cards that are due, then new ones. / 先复习到期的卡片，再学新的。

    Without a terminal, or with --json, the cards are only listed.

    不在终端中运行，或使用 --json 时，只列出卡片。
    """
    name = curriculum.unit(unit).id if unit else ""
    reviews, at = open_record().reviews, clock()
    if due:
        _print_counts(reviews, name, at, as_json)
        return Exit.OK
    week = settings.load().week
    queue = reviews.queue(name, week, at, new)[:count]
    if as_json:
        emit_json([_plain(asked) for asked in queue])
    elif not queue:
        more = new + NEW_A_DAY
        _tell_nothing(reviews, name, at, more if reviews.queue(name, week, at, more) else 0)
    elif _interactive():
        _sit(reviews, Sitting(queue))
    else:
        _print_cards(queue)
    return Exit.OK


def _interactive() -> bool:
    return sys.stdin.isatty()


# Without a terminal


def _print_counts(reviews: Reviews, unit: str, at: float, as_json: bool) -> None:
    units = {name: counts for name, counts in reviews.counts(at).items() if unit in ("", name)}
    total = sum(units.values(), Counts())
    if as_json:
        emit_json(msgspec.to_builtins(total) | {"units": units})
        return
    for name, counts in units.items():
        click.echo(f"{name:<12} {counted(counts)}")
    every = say(f"{'all':<12}", f"{'合计':<10}")  # a Chinese character is two wide
    click.echo(f"{every} {counted(total)}")


def counted(counts: Counts) -> str:
    """Say a unit's cards in a line."""
    return say(
        f"{counts.due} due, {counts.known} known, {counts.new} new of {counts.cards} cards",
        f"到期 {counts.due}，已掌握 {counts.known}，未学 {counts.new}，共 {counts.cards} 张",
    )


def _print_cards(queue: list[Asked]) -> None:
    for asked in queue:
        mark = say("new", "新") if asked.due is None else say("due", "到期")
        click.echo(f"{mark}  {asked.card.key}  {asked.card.question}")
    fresh = sum(asked.due is None for asked in queue)
    narrate(
        say(
            f"{len(queue) - fresh} due, {fresh} new. Answer them in a terminal: tutor quiz",
            f"到期 {len(queue) - fresh} 张，新卡片 {fresh} 张。在终端中作答：tutor quiz",
        )
    )


def _plain(asked: Asked) -> dict[str, Any]:
    """A card as plain data, without what would give its answer away."""
    card = asked.card
    kind = {Choice: "choice", Recall: "recall", Number: "number"}[type(card)]
    options = (
        [card.options[index] for index in card.order(asked.review)]
        if isinstance(card, Choice)
        else []
    )
    return {
        "card": card.key,
        "kind": kind,
        "section": card.section,
        "question": card.question,
        "options": options,
        "due": asked.due,
        "reviews": asked.review,
    }


def _tell_nothing(reviews: Reviews, unit: str, at: float, more: int) -> None:
    """Say when the next card is due and how to have one now.

    more: the day's share of new cards with which there would be some; 0: with none.
    """
    known: tuple[Card, ...] = cards(unit) if unit else all_cards()
    parts = [say("Nothing is due.", "没有到期的卡片。")]
    if (following := reviews.next_due(known, at)) is not None:
        after = span(following - at)
        parts.append(say(f"The next card is due in {after}.", f"下一张在 {after}后到期。"))
    if more:
        command = " ".join(word for word in ("tutor quiz", unit, f"--new {more}") if word)
        parts.append(
            say(
                f"Today's share of new cards is used up; for more: {command}",
                f"今天的新卡片已经学完，想多学几张：{command}",
            )
        )
    elif not unit:
        parts.append(
            say(
                "New cards come from the units you have begun; or name one: tutor quiz week1",
                "新卡片来自你已开始的单元；也可以指定单元：tutor quiz week1",
            )
        )
    narrate(say(" ", "").join(parts))


# In a terminal


def _sit(reviews: Reviews, sitting: Sitting) -> None:
    """Ask card after card until none is left or the learner stops."""
    while asked := sitting.current:
        begun = time.monotonic()
        _show_question(asked, sitting)
        answer = _ask_recall(asked) if isinstance(asked.card, Recall) else _ask_graded(asked)
        if answer is None:
            break
        rating, said = answer
        at = clock()
        seconds = round(time.monotonic() - begun, 1)
        due = reviews.review(asked.card, rating, at, answer=said, seconds=seconds)
        _show_outcome(asked, rating, due - at)
        sitting.take(rating)
    click.echo(
        say(
            f"{sitting.answered} answers, {sitting.right} right; everything is kept.",
            f"答了 {sitting.answered} 次，对 {sitting.right} 次；均已保存。",
        )
    )


def _show_question(asked: Asked, sitting: Sitting) -> None:
    left = say(f"{sitting.left} left", f"还剩 {sitting.left} 张")
    new = "" if asked.review else say(" · new", " · 新")
    click.secho(f"\n{asked.card.unit} · {left}{new}", dim=True)
    click.secho(folded(str(asked.card.question)), bold=True)
    if isinstance(asked.card, Choice):
        for place, index in enumerate(asked.card.order(asked.review), 1):
            click.echo(folded(f"  {place}  {asked.card.options[index]}", " " * 5))


def _ask_graded(asked: Asked) -> tuple[Rating, str] | None:
    """Ask until there is an answer to grade; None: the learner stops."""
    card = asked.card
    if isinstance(card, Choice):
        keys = f"1-{len(card.options)}"
        again = say(f"Type {keys}, ? or q.", f"请输入 {keys}、? 或 q。")
    else:
        keys = say("a number", "一个数")
        again = say(
            "That is not a number. Like these: 73728, 7.4e4, 1/3, 15%",
            "这不是数。可以这样写：73728、7.4e4、1/3、15%",
        )
    text = say(f"{keys} · ? I don't know · q stop", f"{keys} · ? 不知道 · q 结束")
    while True:
        typed = _read(text)
        if typed is None:
            return None
        if (right := grade(asked, typed)) is not None:
            return Rating.of(right), kept(asked, typed)
        click.echo(again)


def _ask_recall(asked: Asked) -> tuple[Rating, str] | None:
    """Take the learner's words, show the answer, and let them rate themselves."""
    said = _read(say("your answer · Enter shows ours · q stop", "你的回答 · 回车看答案 · q 结束"))
    if said is None:
        return None
    click.echo(folded(f"  {solution(asked)}", "  "))
    ratings = "  ".join(f"{int(rating)} {rating_name(rating)}" for rating in Rating)
    while (typed := _read(f"{ratings} · q {say('stop', '结束')}")) is not None:
        if rating := rating_of(typed):
            return rating, said
    return None


def _read(text: str) -> str | None:
    """Read a line; None where it says to stop."""
    typed: str = click.prompt(text, default="", show_default=False, prompt_suffix=" > ")
    return None if typed.strip().lower() in ("q", "quit") else typed.strip()


def _show_outcome(asked: Asked, rating: Rating, wait: float) -> None:
    again = when_again(rating, wait)
    card = asked.card
    if isinstance(card, Recall):
        click.secho(f"  {again}", dim=True)
    elif rating is Rating.AGAIN:
        click.secho("✗ ", fg="red", nl=False)
        click.echo(folded(f"{solution(asked)}\n  {card.why}", "  "))
        click.secho(f"  {again}", dim=True)
    else:
        exact = f" {plain_number(card.number)}." if isinstance(card, Number) else ""
        click.secho(say("✓ Right.", "✓ 正确。"), fg="green", nl=False)
        click.echo(folded(f"{exact} {card.why}"))
        click.secho(f"  {again}", dim=True)
    if rating is Rating.AGAIN and (place := where_taught(asked)):
        click.secho(f"  → {place}", dim=True)
