# caught by: load
# patch: json's own error is let through: each line is its line 1.


def parse(line: str, number: int) -> dict:
    """Return the judgement in a line."""
    row = json.loads(line)
    if not isinstance(row, dict) or row.get("choice") not in CHOICES:
        raise ValueError(f"line {number} holds no judgement")
    if not all(isinstance(row.get(name), str) for name in ("prompt", "first", "second")):
        raise ValueError(f"line {number}: prompt, first and second must be texts")
    return row
