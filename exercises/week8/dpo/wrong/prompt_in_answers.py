# caught by: pairs_for_trl
# fast
# patch: Both answers repeat the question, as in datasets without a prompt column.


def to_trl(rows):
    """Return a Dataset with the columns prompt, chosen and rejected: each a list of messages."""

    def turn(role, text):
        return [{"role": role, "content": text}]

    return Dataset.from_list(
        [
            {
                "prompt": turn("user", row["prompt"]),
                "chosen": turn("user", row["prompt"]) + turn("assistant", row["chosen"]),
                "rejected": turn("user", row["prompt"]) + turn("assistant", row["rejected"]),
            }
            for row in rows
        ]
    )


if __name__ == "__main__":
    pass  # a run could add nothing
