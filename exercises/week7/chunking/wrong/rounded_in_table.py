# caught by: table
# patch: Two decimals: 0.472 and 0.467 look the same.


def table(rows):
    """Return the rows as a Markdown table with the header COLUMNS; shares with three decimals."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in rows:
        cells = [f"{row[c]:.1f}" if isinstance(row[c], float) else str(row[c]) for c in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
