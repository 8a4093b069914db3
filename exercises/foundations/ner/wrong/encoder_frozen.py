# caught by: model
# patch: Only the head trains.


def build_model() -> nn.Module:
    """Return the pre-trained encoder (`lab.encoder_folder()`) with a new head that gives each
    piece one logit for each of LABELS; its config knows the labels by name."""
    model = AutoModelForTokenClassification.from_pretrained(
        lab.encoder_folder(),
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
        dtype=torch.float32,
    )
    model.base_model.requires_grad_(False)
    return model
