# %% [markdown]
# # LoRA with peft
#
# Teach SmolLM2-135M-Instruct to answer API questions in the words of the libraries' own
# documentation. Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Run with `tutor run week5/lora`, grade with `tutor check week5/lora`.

# %%
import json

import torch
from peft import LoraConfig, get_peft_model  # noqa: F401
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments  # noqa: F401

from exercises import lab

SEED = 0
PAIRS = 128
IGNORED = -100  # what cross-entropy leaves out

# %% [markdown]
# ## 1. One example
#
# The whole conversation is the input. Only the response, with the token that ends it, is learned.


# %%
def build_example(tokenizer, pair):
    """Return {"input_ids", "labels"}: lists of one length; labels are -100 on the prompt."""
    # The chat template with add_generation_prompt=True gives the prompt as text.
    raise NotImplementedError("build_example: prompt and response as tokens, and their labels")


# %% [markdown]
# ## 2. The model
#
# Choose rank, alpha and the layers to adapt. Seed just before A is drawn.


# %%
def lora_config():
    raise NotImplementedError("lora_config: rank, alpha, target modules, task type")


def build_model(base):
    """Return the base with a fresh adapter, the same on every call."""
    raise NotImplementedError("build_model: torch.manual_seed(SEED), then the adapter")


# %% [markdown]
# ## 3. Training
#
# A batch of 8 and 16 steps take about a minute on two quiet cores.


# %%
def training_arguments():
    # lab.checkpointing() says where and how often to save; `every` must be below your steps.
    raise NotImplementedError("training_arguments: batch, epochs, learning rate, checkpoints")


def build_trainer(model, tokenizer, train):
    """Return a Trainer over the pairs `train`, with lab.progress() among its callbacks."""
    # Padding in a batch: attention mask 0, label -100.
    raise NotImplementedError("build_trainer: examples, collator, callbacks")


# %% [markdown]
# ## 4. What it learned
#
# Mean loss in nats over the response tokens of pairs about classes it was not trained on.


# %%
@torch.no_grad()
def held_out_loss(model, tokenizer, pairs):
    model.eval()
    collate = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)
    total, tokens = 0.0, 0
    for start in range(0, len(pairs), 8):
        batch = collate([build_example(tokenizer, pair) for pair in pairs[start : start + 8]])
        batch = batch.to(model.device)
        count = int((batch["labels"][:, 1:] != IGNORED).sum())
        total += model(**batch).loss.item() * count
        tokens += count
    return total / tokens


# %%
def main():
    base, tokenizer = lab.load_base()
    train, held_out = lab.instructions()
    model = build_model(base)
    model.print_trainable_parameters()
    trainer = build_trainer(model, tokenizer, train[:PAIRS])  # noqa: F841
    raise NotImplementedError("main: train (or go on from a checkpoint), save the adapter")

    pairs = held_out[::3]
    metrics = {"held_out_loss": held_out_loss(model, tokenizer, pairs)}
    with model.disable_adapter():
        metrics["base_held_out_loss"] = held_out_loss(model, tokenizer, pairs)
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
