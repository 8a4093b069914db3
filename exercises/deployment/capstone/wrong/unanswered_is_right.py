# caught by: evaluated
# fast
# patch: Every question that was not answered wrongly counts as right.


def score(answers, gold):
    """Return shares, 0 to 1, of answers as `answer` returns them. gold: as GOLD; a question that
    is in it and has no answer counts as asked.

    right: of the covered questions, those whose citations name the gold place.
    told_uncovered: of the others, those that were answered NOT_COVERED.
    wrongly_refused: of the covered questions, those that were answered NOT_COVERED.
    citation_precision: of all citations, those that name their question's gold place; 0 where
    nothing is cited.
    """
    said = {each["question"]: each for each in answers}
    covered = [question for question, place in gold.items() if place]
    others = [question for question, place in gold.items() if not place]

    def refused(question):
        return question in said and said[question]["text"] == NOT_COVERED

    def hits(question):
        citations = said[question]["citations"] if question in said else []
        return [(c["document"], c["heading"]) == gold[question] for c in citations]

    marks = [hit for question in gold for hit in hits(question)]
    return {
        "right": sum(all(hits(question)) for question in covered) / len(covered),
        "told_uncovered": sum(map(refused, others)) / len(others),
        "wrongly_refused": sum(map(refused, covered)) / len(covered),
        "citation_precision": sum(marks) / len(marks) if marks else 0.0,
    }
