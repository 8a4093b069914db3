"""Questions and answers for the capstone's grader: a shelf of four passages, what a model may say
about it, whether citations hold, and the figures of a set of answers."""

from __future__ import annotations

import re
from typing import Any

from exercises.week7 import corpus
from tutor.base.i18n import say


def marked_passage(prompt: str, response: str) -> tuple[str, int, int]:
    """Return (what the response says, the number of its mark, the number of the passage in the
    prompt that says it; 0 where none does)."""
    marks = re.findall(r"\[(\d+)\]", response)
    said = re.sub(r"\s*\[\d+\]", "", response).strip().rstrip(".")
    at = prompt.find(said)
    before = re.findall(r"^\[(\d+)\]", prompt[:at], re.MULTILINE) if said and at > 0 else []
    return said, int(marks[-1]) if marks else 0, int(before[-1]) if before else 0


def shelf():
    texts = (
        ("1. Ferries", "The Heron is the small boat. It carries 48 passengers across the lake."),
        ("2. Tickets", "Tickets are sold on board. Children below six travel free of charge."),
        ("3. Winter", "In winter the ferry rests. The harbour freezes over until the spring."),
        ("4. Engines", "The Comet burns diesel. Its engine is older than its captain."),
    )
    return [corpus.Section("ferries.en", "The lake", heading, text) for heading, text in texts]


QUESTION = "How many passengers does the Heron carry across the lake?"


def plain(text: str) -> str:
    return " ".join(text.split())


def check_citations(given: dict[str, Any], places: dict[tuple[str, str], str]) -> None:
    """Each citation's mark is in the text, and its quotation in the place that it names."""
    marks = {int(n) for n in re.findall(r"\[(\d+)\]", given["text"])}
    numbers = {c["number"] for c in given["citations"]}
    assert marks == numbers, say(
        f"{given['text'][:120]!r} has the marks {sorted(marks)}, and the citations "
        f"{sorted(numbers)}",
        f"{given['text'][:120]!r} 中的标记是 {sorted(marks)}，citations 里是 {sorted(numbers)}",
    )
    for c in given["citations"]:
        where, quote = (c["document"], c["heading"]), plain(c["quote"])
        assert where in places and len(quote.split()) >= 3 and quote in plain(places[where]), say(
            f"citation [{c['number']}] of {given['question'][:50]!r} names {where} and quotes "
            f"{quote[:80]!r}: these words do not stand there",
            f"{given['question'][:50]!r} 的引用 [{c['number']}] 指向 {where}，引文是 {quote[:80]!r}："
            "那里没有这些字",
        )


SAYS = (
    ("It carries 48 passengers [1].", {1}, "It carries 48 passengers [1]."),
    ("Children travel free [2]. It carries 48 [1] [1].", {1, 2}, None),
    ("It carries 48 passengers [1] [7].", {1}, "It carries 48 passengers [1]."),
    ("It carries 48 passengers [9].", set(), ""),
    ("It carries 48 passengers.", set(), ""),
    ("It carries 48 passengers [0].", set(), ""),
)


def scored(answers: list[dict[str, Any]], places: dict[str, Any], refusal: str) -> dict[str, float]:
    """The grader's own figures."""
    refused = {a["question"] for a in answers if a["text"] == refusal}
    hits = [(a["question"], (c["document"], c["heading"]) == places.get(a["question"]))
            for a in answers for c in a["citations"]]  # fmt: skip
    covered = {question for question, place in places.items() if place}
    return {
        "right": len({question for question, hit in hits if hit} & covered) / len(covered),
        "told_uncovered": len(refused - covered) / (len(places) - len(covered)),
        "wrongly_refused": len(refused & covered) / len(covered),
        "citation_precision": sum(hit for _, hit in hits) / len(hits) if hits else 0.0,
    }


def same_figures(got: dict[str, Any], wanted: dict[str, float], what: str) -> None:
    for name, value in wanted.items():
        yours = got.get(name)
        right = isinstance(yours, int | float)
        shown = f"{yours:.4f}" if right else yours
        assert right and abs(yours - value) < 1e-6, say(
            f"{what}: {name} is {shown}; the answers make it {value:.4f}",
            f"{what}：{name} 为 {shown}；按这些回答应为 {value:.4f}",
        )


def invented(refusal: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Answers of every kind; two questions of `places` were never answered."""
    a, b = ("week5.en", "1. One"), ("week5.en", "2. Two")
    places = {"cited?": a, "twice?": b, "wrong?": a, "refused?": b, "bare?": a, "absent?": b,
            "far?": None, "made up?": None, "far and absent?": None}  # fmt: skip
    given = {"cited?": [a], "twice?": [a, b], "wrong?": [b], "refused?": None, "bare?": [],
             "far?": None, "made up?": [a]}  # fmt: skip
    answers = []
    for question, cited in given.items():
        citations = [{"number": n, "document": place[0], "heading": place[1], "quote": "three words of it"}
                     for n, place in enumerate(cited or [], 1)]  # fmt: skip
        text = refusal if cited is None else "So it is" + "".join(f" [{c['number']}]" for c in citations)  # fmt: skip
        answers.append({"question": question, "text": text, "citations": citations})
    return answers, places


def gold() -> dict[str, Any]:
    units = ("week5.en", "deployment.en")
    asked = {q.text: (q.document, q.heading) for q in corpus.questions("en") if q.document in units}
    return asked | dict.fromkeys(corpus.uncovered()[:4])
