# caught by: pairs
# patch: trl's standard format, strings in place of messages: no chat template is applied.


def conversation(row: dict) -> dict:
    """Return one decided judgement as trl takes it: lists of messages."""
    return {"prompt": row["prompt"], "chosen": chosen_of(row), "rejected": rejected_of(row)}
