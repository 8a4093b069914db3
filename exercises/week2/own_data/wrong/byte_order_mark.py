# caught by: reads_csv
# patch: Excel's byte order mark becomes part of the first column's name.


def read_rows(path):
    """Return [{"text": str, "label": str}] of the rows that have both, without outer space."""
    with open(path, encoding="utf-8", newline="") as file:  # newline: the csv module's own
        rows = [
            {name: (row.get(name) or "").strip() for name in ("text", "label")}
            for row in csv.DictReader(file)
        ]
    return [row for row in rows if row["text"] and row["label"]]
