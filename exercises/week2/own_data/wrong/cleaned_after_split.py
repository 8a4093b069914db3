# caught by: no_leakage
# patch: Cleans each part by itself, when copies already lie on both sides.


def load(path, validation=0.1, test=0.1, seed=0):
    """Return a DatasetDict of the three parts, with the features text and label (ClassLabel)."""
    rows = read_rows(path)
    names = sorted({row["label"] for row in rows})
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    parts = {n: clean(part) for n, part in split(rows, validation, test, seed).items()}
    return DatasetDict(
        {
            name: Dataset.from_dict(
                {
                    "text": [row["text"] for row in part],
                    "label": [names.index(row["label"]) for row in part],
                },
                features=features,
            )
            for name, part in parts.items()
        }
    )
