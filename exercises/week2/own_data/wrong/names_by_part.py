# caught by: class_labels
# patch: Numbers the labels anew in each part: 0 is not the same class everywhere.


def load(path, validation=0.1, test=0.1, seed=0):
    """Return a DatasetDict of the three parts, with the features text and label (ClassLabel)."""
    rows = clean(read_rows(path))
    names = sorted({row["label"] for row in rows})
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    parts = split(rows, validation, test, seed)
    return DatasetDict(
        {
            name: Dataset.from_dict(
                {
                    "text": [row["text"] for row in part],
                    "label": [
                        list(dict.fromkeys(r["label"] for r in part)).index(row["label"])
                        for row in part
                    ],
                },
                features=features,
            )
            for name, part in parts.items()
        }
    )
