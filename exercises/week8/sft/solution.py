# %% [markdown]
# # SFT on Alpaca's format
#
# Fine-tune SmolLM2-135M-Instruct with SFTTrainer and LoRA, loss on the completion only; then
# LIMA's question in small: 20 clean rows, or 40 of which half are spoiled?

# %%
import json
import random

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from trl import SFTConfig, SFTTrainer

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
    frame = WITH_INPUT if row["input"].strip() else WITHOUT_INPUT
    # format_map, not two replaces: an instruction may itself hold the text "{input}".
    return {"prompt": frame.format_map(row), "completion": row["output"]}


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
    chosen = random.Random(seed).sample(range(len(rows)), round(share * len(rows)))
    cut, passed = chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]
    noisy = [dict(row) for row in rows]
    for n in cut:
        words = rows[n]["output"].split()
        noisy[n]["output"] = " ".join(words[: len(words) // 2])
    for n, other in zip(passed, passed[1:] + passed[:1], strict=True):
        noisy[n]["output"] = rows[other]["output"]
    return noisy


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
    arguments = SFTConfig(
        **lab.checkpointing(every=5, name=name),
        max_steps=STEPS,
        per_device_train_batch_size=lab.batch_size(4),
        learning_rate=2e-3,
        lr_scheduler_type="cosine",
        completion_only_loss=True,
        max_length=256,
        gradient_checkpointing=False,  # memory is not short here, time is
        bf16=False,  # the base is in bfloat16 already; the adapter stays in float32
        logging_steps=1,
        report_to="none",
        seed=SEED,
    )
    lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    return SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([format_row(row) for row in rows]),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[lab.progress()],
    )


# %% [markdown]
# ## 4. What it learned
#
# Nats a token over the completions of held-out rows, the end token included, the prompt not.


# %%
@torch.no_grad()
def held_out_loss(model, tokenizer, rows):
    """Return the mean over all completion tokens of all rows together."""
    model.eval()
    total, tokens = 0.0, 0
    for row in rows:
        text = format_row(row)
        given = tokenizer(text["prompt"], add_special_tokens=False)["input_ids"]
        learned = tokenizer(text["completion"] + tokenizer.eos_token, add_special_tokens=False)
        targets = torch.tensor(learned["input_ids"])
        ids = torch.cat([torch.tensor(given), targets])[None]
        logits = model(input_ids=ids).logits[0, len(given) - 1 : -1]  # (t, V)
        total += torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum").item()
        tokens += len(targets)
    return total / tokens


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
