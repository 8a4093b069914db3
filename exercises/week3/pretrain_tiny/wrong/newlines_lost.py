# caught by: split
# fast
# patch: Joins without the line ends: words of two lines melt into one.


def split(text):
    """Return (train, held_out): the last tenth of the lines (rounded down) is held out."""
    lines = text.splitlines()
    cut = len(lines) - len(lines) // 10
    return "".join(lines[:cut]), "".join(lines[cut:])


if __name__ == "__main__":
    pass  # a run could add nothing
