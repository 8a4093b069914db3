# caught by: alpaca_format
# fast
# patch: The frame with an input for every row: an empty section where there is none.


def format_row(row):
    """Return {"prompt", "completion"} of a row {"instruction", "input", "output"}."""
    frame = WITH_INPUT
    # format_map, not two replaces: an instruction may itself hold the text "{input}".
    return {"prompt": frame.format_map(row), "completion": row["output"]}


if __name__ == "__main__":
    pass  # a run could add nothing
