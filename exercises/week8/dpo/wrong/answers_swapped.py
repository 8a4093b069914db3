# caught by: pairs_for_trl
# fast
# patch: Learns to prefer the faulty answers.


def to_trl(rows):
    """Return a Dataset with the columns prompt, chosen and rejected: each a list of messages."""

    def turn(role, text):
        return [{"role": role, "content": text}]

    return Dataset.from_list(
        [
            {
                "prompt": turn("user", row["prompt"]),
                "chosen": turn("assistant", row["rejected"]),
                "rejected": turn("assistant", row["chosen"]),
            }
            for row in rows
        ]
    )


if __name__ == "__main__":
    pass  # a run could add nothing
