# %% [markdown]
# # SFT on Alpaca's format
#
# Fine-tune SmolLM2-135M-Instruct with SFTTrainer and LoRA, loss on the completion only; then
# LIMA's question in small: 20 clean rows, or 40 of which half are spoiled?
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Run with `tutor run week8/sft`, grade with `tutor check week8/sft`.

# %%
import json
import random  # noqa: F401

import torch
from datasets import Dataset  # noqa: F401
from peft import LoraConfig, PeftModel  # noqa: F401
from trl import SFTConfig, SFTTrainer  # noqa: F401

from exercises import lab
from exercises.week8 import alpaca_data

SEED = 0
CLEAN, NOISY = 20, 40  # rows
NOISE = 0.5  # share of the noisy rows that are spoiled
STEPS = 10  # of the optimizer, for both: 2 epochs of the clean rows, 1 of the noisy ones
HELD_OUT = 24  # rows that are measured; the grader takes the same

# %% [markdown]
# ## 1. The format
#
# Alpaca's two frames: with and without an input (github.com/tatsu-lab/stanford_alpaca, "Data
# Release"). The headings are Alpaca's, the opening words are ours. Whatever they are, the model
# will expect this very text later.

# %%
WITH_INPUT = (
    "A task, and what it is about. The response does the task and nothing else.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
WITHOUT_INPUT = (
    "A task. The response does the task and nothing else.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)


def format_row(row):
    """Return {"prompt", "completion"} of a row {"instruction", "input", "output"}."""
    raise NotImplementedError("format_row: the right frame, filled; the output")


# %% [markdown]
# ## 2. The noise
#
# Two faults that scraped data really have: the answer belongs to another question, or it is cut.


# %%
def make_noisy(rows, share, seed):
    """Return new rows, round(share * len(rows)) of them with a spoiled output.

    Which ones: drawn by random.Random(seed). One half of those drawn (rounded down) keep only the
    first half of their words; the others pass their outputs around, so that none keeps its own.
    """
    raise NotImplementedError("make_noisy: draw, cut, pass around")


def datasets():
    """Return the two training sets by name."""
    train, _ = alpaca_data.rows()
    return {"clean": train[:CLEAN], "noisy": make_noisy(train[:NOISY], NOISE, SEED)}


# %% [markdown]
# ## 3. Training
#
# From the columns prompt and completion trl makes labels of -100 on the prompt, and puts the end
# token behind the completion.


# %%
def build_trainer(model, tokenizer, rows, name):
    """Return an SFTTrainer over the rows: `model` with a fresh adapter, STEPS steps.

    name: "clean" or "noisy"; its checkpoints lie in lab.run_dir() / "checkpoints" / name.
    """
    # lab.checkpointing(every=..., name=name) are the arguments that save. trl's defaults are for a
    # GPU: gradient_checkpointing=False and bf16=False here.
    raise NotImplementedError("build_trainer: SFTConfig, LoraConfig, SFTTrainer")


# %% [markdown]
# ## 4. What it learned
#
# Nats a token over the completions of held-out rows, the end token included, the prompt not.


# %%
@torch.no_grad()
def held_out_loss(model, tokenizer, rows):
    """Return the mean over all completion tokens of all rows together."""
    raise NotImplementedError("held_out_loss: nats a completion token")


# %%
def main():
    _, held_out = alpaca_data.rows()
    held_out = held_out[:HELD_OUT]
    metrics = {}
    for name, rows in datasets().items():
        base, tokenizer = lab.load_base()
        folder = lab.run_dir() / name
        if not (folder / "adapter_model.safetensors").exists():  # not trained before a break
            trainer = build_trainer(base, tokenizer, rows, name)
            trainer.train(resume_from_checkpoint=lab.last_checkpoint(name))
            trainer.model.save_pretrained(folder)
            base, _ = lab.load_base()
        if "base" not in metrics:
            metrics["base"] = held_out_loss(base, tokenizer, held_out)
        metrics[name] = held_out_loss(PeftModel.from_pretrained(base, folder), tokenizer, held_out)
    metrics["better"] = "clean" if metrics["clean"] < metrics["noisy"] else "noisy"
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
