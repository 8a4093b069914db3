# caught by: model
# patch: The architecture from its config, with random weights.

from transformers import AutoConfig


def build_model() -> nn.Module:
    """Return the pre-trained encoder (`lab.encoder_folder()`) with a new head that gives each
    piece one logit for each of LABELS; its config knows the labels by name."""
    config = AutoConfig.from_pretrained(
        lab.encoder_folder(),
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    return AutoModelForTokenClassification.from_config(config)
