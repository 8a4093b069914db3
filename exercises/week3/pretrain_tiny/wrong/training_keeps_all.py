# caught by: split
# fast
# patch: Held-out lines are taken from the whole text: they stay in the training part.


def split(text):
    """Return (train, held_out): the last tenth of the lines (rounded down) is held out."""
    lines = text.splitlines(keepends=True)
    cut = len(lines) - len(lines) // 10
    return "".join(lines), "".join(lines[cut:])


if __name__ == "__main__":
    pass  # a run could add nothing
