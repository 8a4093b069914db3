# caught by: reads_csv
# patch: Splits lines at commas: a field may hold commas and line breaks.


def read_rows(path):
    """Return [{"text": str, "label": str}] of the rows that have both, without outer space."""
    with open(path, encoding="utf-8-sig", newline="") as file:  # newline: the csv module's own
        header, *lines = file.read().splitlines()
        names = header.split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines]
        rows = [{name: (row.get(name) or "").strip() for name in ("text", "label")} for row in rows]
    return [row for row in rows if row["text"] and row["label"]]
