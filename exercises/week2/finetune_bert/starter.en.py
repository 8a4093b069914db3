# %% [markdown]
# # Fine-tuning a BERT with Datasets and Trainer
#
# Film reviews, positive or negative: a new head on a pre-trained encoder, and all of it trained.
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Run with `tutor run week2/finetune_bert`, grade with `tutor check week2/finetune_bert`.

# %%
import json

import torch
from datasets import Dataset  # noqa: F401
from sklearn.metrics import accuracy_score, f1_score  # noqa: F401
from transformers import (  # noqa: F401
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from exercises import lab

SEED = 0
TRAIN, VALIDATION = 600, 200
MAX_LENGTH = 48  # 27 tokens on average; three reviews in a hundred have more than 48

# %% [markdown]
# ## 1. The data
#
# What is held out is for the end: training and validation both come from the training part.


# %%
def load_data(tokenizer):
    """Return (train, validation): Datasets with text, label, input_ids and attention_mask."""
    raise NotImplementedError("load_data: two Datasets, tokenized and cut")


# %% [markdown]
# ## 2. The model and the metric


# %%
def build_model():
    """Return the encoder under a fresh head of two classes, the same on every call."""
    raise NotImplementedError("build_model: the encoder under a head of two classes")


def compute_metrics(prediction):
    """Return {"accuracy", "f1"}. predictions: logits (n, 2); label_ids: (n,), 1 is positive."""
    raise NotImplementedError("compute_metrics: accuracy and F1")


# %% [markdown]
# ## 3. Training
#
# Measure the validation loss every few steps; the model of the lowest is the one to keep.
# A batch of 16 takes half a second on two quiet cores.


# %%
def build_trainer(model, tokenizer, train, validation):
    raise NotImplementedError("build_trainer: arguments, collator, metric, callback")


# %% [markdown]
# ## 4. Using it


# %%
@torch.no_grad()
def predict(model, tokenizer, texts, batch_size=32):
    """Return the label, 0 or 1, of each text, in their order."""
    raise NotImplementedError("predict: a label a text")


# %%
def main():
    tokenizer = AutoTokenizer.from_pretrained(lab.encoder_folder())
    train, validation = load_data(tokenizer)
    trainer = build_trainer(build_model(), tokenizer, train, validation)
    # Train, going on from lab.last_checkpoint(); then trainer.save_model to lab.run_dir() / "model".
    raise NotImplementedError("main: train and save")

    _, held_out = lab.reviews()
    guess = predict(trainer.model, tokenizer, [row["text"] for row in held_out])
    metrics = {"held_out_accuracy": accuracy_score([row["label"] for row in held_out], guess)}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
