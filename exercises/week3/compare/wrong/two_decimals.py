# caught by: table
# patch: Rounds to one decimal before writing.


def write_table(rows, path):
    """Write the rows as CSV with a header, numbers with at least four significant digits."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow({k: v if k == "strategy" else round(v, 1) for k, v in row.items()})
