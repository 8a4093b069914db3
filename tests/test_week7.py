"""What week 7's exercises search and ask stays whole when the lessons are rewritten."""

from __future__ import annotations

import pytest

from exercises.week7 import corpus
from exercises.week7 import questions as written


@pytest.mark.parametrize(("lang", "rows"), [("en", written.ENGLISH), ("zh", written.CHINESE)])
def test_every_question_has_its_passage_once(lang, rows) -> None:
    whole = "\n".join(document.text for document in corpus.documents(lang))
    lost = [text for _, text, quote in rows if whole.count(quote) != 1]
    assert not lost, "their quotations are gone from the lessons, or stand there twice"
    assert len(corpus.questions(lang)) == len(rows)


def test_what_no_lesson_answers_is_in_none() -> None:
    assert not set(corpus.uncovered()) & {question.text for question in corpus.questions()}
