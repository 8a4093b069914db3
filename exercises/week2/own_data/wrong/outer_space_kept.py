# caught by: reads_csv
# patch: Strips only to look for empty fields: "wish" and " wish " become two classes.


def read_rows(path):
    """Return [{"text": str, "label": str}] of the rows that have both, without outer space."""
    with open(path, encoding="utf-8-sig", newline="") as file:  # newline: the csv module's own
        rows = [
            {name: row[name] or "" for name in ("text", "label")} for row in csv.DictReader(file)
        ]
    return [row for row in rows if row["text"].strip() and row["label"].strip()]
