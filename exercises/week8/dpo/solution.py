# %% [markdown]
# # DPO with trl
#
# Teach SmolLM2-135M-Instruct to prefer the right answer to a wrong, a padded and a broken-off one,
# with DPOTrainer and LoRA; then compute by hand what the trainer's log calls rewards.

# %%
import json

import torch
from datasets import Dataset
from peft import LoraConfig
from trl import DPOConfig, DPOTrainer

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


# %%
def to_trl(rows):
    """Return a Dataset with the columns prompt, chosen and rejected: each a list of messages."""

    def turn(role, text):
        return [{"role": role, "content": text}]

    return Dataset.from_list(
        [
            {
                "prompt": turn("user", row["prompt"]),
                "chosen": turn("assistant", row["chosen"]),
                "rejected": turn("assistant", row["rejected"]),
            }
            for row in rows
        ]
    )


# %% [markdown]
# ## 2. Policy and reference
#
# The adapter is the policy. The reference is the base: the same weights, the adapter switched off.


# %%
def lora_config():
    return LoraConfig(
        r=8, lora_alpha=16, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM"
    )


def dpo_config():
    return DPOConfig(
        beta=BETA,
        per_device_train_batch_size=lab.batch_size(4),
        num_train_epochs=1,
        learning_rate=1e-3,  # a hundred times what a long run takes: there are 16 steps
        lr_scheduler_type="cosine",
        warmup_steps=2,
        max_length=192,
        gradient_checkpointing=False,  # memory is not short here, time is
        bf16=False,  # the base is in bfloat16 already; the adapter stays in float32
        logging_steps=1,
        report_to="none",
        seed=SEED,  # of A too: trl seeds before it makes the adapter
        **lab.checkpointing(every=8),
    )


def build_trainer(model, tokenizer, rows):
    """Return a DPOTrainer over the rows whose policy is `model` with a fresh adapter."""
    return DPOTrainer(
        model=model,
        ref_model=None,  # with a peft_config: the model without its adapter
        args=dpo_config(),
        train_dataset=to_trl(rows),
        processing_class=tokenizer,
        peft_config=lora_config(),
        callbacks=[lab.progress()],
    )


# %% [markdown]
# ## 3. The implicit reward, by hand
#
# log π(answer | prompt) is a sum over the tokens of the answer and the token that ends it.


# %%
@torch.no_grad()
def answer_log_probs(model, tokenizer, rows, answer):
    """Return (n,): log-probability in nats of row[answer] ("chosen" or "rejected") and its end."""
    model.eval()
    sums = []
    for row in rows:
        user = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
        given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        text = row[answer] + tokenizer.eos_token
        ids = torch.tensor([given + tokenizer(text, add_special_tokens=False)["input_ids"]])
        logits = model(input_ids=ids.to(model.device)).logits[0, len(given) - 1 : -1]  # (t, V)
        targets = ids[0, len(given) :].to(logits.device)
        sums.append(-torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum"))
    return torch.stack(sums).cpu()


def implicit_rewards(model, tokenizer, rows, beta=BETA):
    """Return (chosen, rejected), each (n,): beta · (log π − log π_ref).

    model: a PeftModel; without its adapter it is the reference.
    """
    rewards = []
    for answer in ("chosen", "rejected"):
        policy = answer_log_probs(model, tokenizer, rows, answer)
        with model.disable_adapter():
            reference = answer_log_probs(model, tokenizer, rows, answer)
        rewards.append(beta * (policy - reference))
    return tuple(rewards)


def summary(chosen, rejected):
    """Return what trl logs: accuracy, margin, chosen and rejected, means over the pairs."""
    return {
        "accuracy": (chosen > rejected).float().mean().item(),
        "margin": (chosen - rejected).mean().item(),
        "chosen": chosen.mean().item(),
        "rejected": rejected.mean().item(),
    }


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
