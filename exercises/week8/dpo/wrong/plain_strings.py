# caught by: pairs_for_trl
# fast
# patch: Strings get no chat template: trained in a format that nobody uses later.


def to_trl(rows):
    """Return a Dataset with the columns prompt, chosen and rejected: each a list of messages."""

    def turn(role, text):
        return text

    return Dataset.from_list(
        [
            {
                "prompt": turn("user", row["prompt"]),
                "chosen": turn("assistant", row["chosen"]),
                "rejected": turn("assistant", row["rejected"]),
            }
            for row in rows
        ]
    )


if __name__ == "__main__":
    pass  # a run could add nothing
