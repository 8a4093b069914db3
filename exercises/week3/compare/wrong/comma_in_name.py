# caught by: table
# patch: Joins with commas by hand: a name with a comma becomes two columns.


def write_table(rows, path):
    """Write the rows as CSV with a header, numbers with at least four significant digits."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
        for row in rows:
            file.write(",".join(str(row[name]) for name in COLUMNS) + "\n")
