# In another style: columns first, log-probabilities in padded batches, an adapter on the upper half.
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
from transformers import DataCollatorForSeq2Seq
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

    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    return Dataset.from_dict(
        {
            column: [[{"content": row[column], "role": role}] for row in rows]
            for column, role in roles.items()
        }
    )


# %% [markdown]
# ## 2. Policy and reference
#
# The adapter is the policy. The reference is the base: the same weights, the adapter switched off.


# %%
def lora_config():
    return LoraConfig(
        r=16,
        lora_alpha=32,
        # The upper half only: half of the backward pass is saved.
        target_modules=["q_proj", "v_proj", "o_proj", "down_proj"],
        layers_to_transform=list(range(15, 30)),
        task_type="CAUSAL_LM",
    )


def dpo_config():
    return DPOConfig(
        beta=BETA,
        per_device_train_batch_size=lab.batch_size(4),
        num_train_epochs=1,
        learning_rate=1e-3,  # a hundred times what a long run takes: there are 16 steps
        lr_scheduler_type="linear",
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
    # Two rows at a time, with labels of -100 on prompt and padding, as a Trainer would have them.
    tokenizer.padding_side = "right"
    sums = []
    for start in range(0, len(rows), 2):
        features = []
        for row in rows[start : start + 2]:
            user = [{"role": "user", "content": row["prompt"]}]
            prompt = tokenizer.apply_chat_template(
                user, tokenize=True, add_generation_prompt=True, return_dict=True
            )["input_ids"]
            said = tokenizer(row[answer] + tokenizer.eos_token, add_special_tokens=False).input_ids
            features.append({"input_ids": prompt + said, "labels": [-100] * len(prompt) + said})
        batch = DataCollatorForSeq2Seq(tokenizer)(features)
        labels = batch.pop("labels")[:, 1:]
        log_p = model(**batch).logits[:, :-1].float().log_softmax(dim=-1)  # (2, t - 1, V)
        picked = log_p.gather(2, labels.clamp(min=0)[..., None])[..., 0]
        sums.append((picked * (labels != -100)).sum(dim=1))
    return torch.cat(sums)


def implicit_rewards(model, tokenizer, rows, beta=BETA):
    """Return (chosen, rejected), each (n,): beta · (log π − log π_ref).

    model: a PeftModel; without its adapter it is the reference.
    """
    policy = [answer_log_probs(model, tokenizer, rows, name) for name in ("chosen", "rejected")]
    with model.disable_adapter():
        reference = [
            answer_log_probs(model, tokenizer, rows, name) for name in ("chosen", "rejected")
        ]
    return [beta * (p - r) for p, r in zip(policy, reference, strict=True)]


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
