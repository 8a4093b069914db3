# caught by: load
# patch: A line that is no judgement is passed over in silence.


def load(path: Path | str) -> list[dict]:
    """Return the judgements of a file, one JSON object a line, in their order.

    Raises ValueError with the number of the line (from 1) that is no judgement: not a JSON object,
    without the texts prompt, first and second, or with another choice than CHOICES.
    """
    rows = []
    for number, line in enumerate(Path(path).read_text("utf-8").split("\n"), 1):
        try:
            rows.append(parse(line, number))
        except ValueError:
            continue
    return rows
