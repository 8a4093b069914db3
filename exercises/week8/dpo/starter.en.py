# %% [markdown]
# # DPO with trl
#
# Teach SmolLM2-135M-Instruct to prefer the right answer to a wrong, a padded and a broken-off one.
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Run with `tutor run week8/dpo`, grade with `tutor check week8/dpo`.

# %%
import json

import torch
from datasets import Dataset  # noqa: F401
from peft import LoraConfig  # noqa: F401
from trl import DPOConfig, DPOTrainer  # noqa: F401

from exercises import lab
from exercises.week8 import preference_data

SEED = 0
BETA = 0.1
PAIRS = 64
HELD_OUT = 36  # of the 48, so that measuring is quick
PAIRS_FILE = ""  # a jsonl file of your own choices, in place of the training pairs

# %% [markdown]
# ## 1. The pairs, as trl wants them
#
# Conversational format: lists of messages, the prompt apart. trl applies the chat template.
# Print one row and read it before you go on.


# %%
def to_trl(rows):
    """Return a Dataset with the columns prompt, chosen and rejected: each a list of messages."""
    raise NotImplementedError("to_trl: each text as a list of one message")


# %% [markdown]
# ## 2. Policy and reference
#
# The adapter is the policy. The reference is the base: the same weights, the adapter switched off.
# A batch of 4 pairs and 16 steps take about two minutes on two quiet cores.


# %%
def lora_config():
    raise NotImplementedError("lora_config: rank, alpha, target modules, task type")


def dpo_config():
    # trl's defaults are for a GPU: gradient_checkpointing=False and bf16=False here.
    # lab.checkpointing() says where and how often to save: every so many steps, fewer than the run has.
    raise NotImplementedError("dpo_config: beta, batch, epochs, learning rate, seed, checkpoints")


def build_trainer(model, tokenizer, rows):
    """Return a DPOTrainer over the rows whose policy is `model` with a fresh adapter."""
    # Which model is the reference? ref_model and peft_config together decide it.
    raise NotImplementedError("build_trainer: model, args, data, tokenizer, adapter, callbacks")


# %% [markdown]
# ## 3. The implicit reward, by hand
#
# log π(answer | prompt) is a sum over the tokens of the answer and the token that ends it.


# %%
@torch.no_grad()
def answer_log_probs(model, tokenizer, rows, answer):
    """Return (n,): log-probability in nats of row[answer] ("chosen" or "rejected") and its end."""
    # The chat template with add_generation_prompt=True gives the prompt as text; the answer is
    # followed by tokenizer.eos_token.
    raise NotImplementedError("answer_log_probs: one sum for each row")


def implicit_rewards(model, tokenizer, rows, beta=BETA):
    """Return (chosen, rejected), each (n,): beta · (log π − log π_ref).

    model: a PeftModel; without its adapter it is the reference.
    """
    raise NotImplementedError("implicit_rewards: policy and reference, chosen and rejected")


def summary(chosen, rejected):
    """Return what trl logs: accuracy, margin, chosen and rejected, means over the pairs."""
    raise NotImplementedError("summary: four means over the pairs")


# %%
def main():
    base, tokenizer = lab.load_base()
    train, held_out = preference_data.pairs()
    held_out = held_out[:HELD_OUT]
    rows = preference_data.read_jsonl(PAIRS_FILE) if PAIRS_FILE else train[:PAIRS]
    trainer = build_trainer(base, tokenizer, rows)
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    trainer.model.save_pretrained(lab.run_dir() / "adapter")

    metrics = summary(*implicit_rewards(trainer.model, tokenizer, held_out))
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
