# %% [markdown]
# # QLoRA: an adapter over a base in four bits
#
# Dettmers et al. 2023 (arXiv 2305.14314): NF4 weights, double quantization, LoRA on every linear
# layer. The same data as in week5/lora.

# %%
import json

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

from exercises import lab

SEED = 0
PAIRS = 128
IGNORED = -100
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# %% [markdown]
# ## 1. The arithmetic of section 3
#
# Each block of weights has one float32 scale. Double quantization stores these scales in 8 bits,
# with one float32 scale for each block of 256 of them.


# %%
def bits_per_parameter(block: int = 64, double: bool = True, outer_block: int = 256) -> float:
    """Return the bits that one weight takes in NF4, its share of the scales included."""
    scale = 8 / block + 32 / (block * outer_block) if double else 32 / block
    return 4 + scale


# %% [markdown]
# ## 2. The base in four bits


# %%
def quantization_config():
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,  # dequantized to this for each product
    )


def base_folder():
    """Return the folder where the lab keeps the base, dequantized from its GGUF."""
    base, _ = lab.load_base()
    return base.name_or_path


def load_quantized():
    """Return the base with every linear layer of its blocks in NF4."""
    return AutoModelForCausalLM.from_pretrained(
        base_folder(),
        quantization_config=quantization_config(),
        dtype=torch.bfloat16,
        device_map={"": DEVICE},
    )


# %% [markdown]
# ## 3. The adapter
#
# `prepare_model_for_kbit_training` freezes the base, puts norms, embeddings and output layer in
# float32, and turns on checkpointing: activations are computed again instead of kept.


# %%
def build_model(quantized):
    """Return the quantized base, prepared, with a fresh adapter, the same on every call."""
    prepared = prepare_model_for_kbit_training(
        quantized, gradient_checkpointing_kwargs={"use_reentrant": False}
    )
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    torch.manual_seed(SEED)
    return get_peft_model(prepared, config)


# %% [markdown]
# ## 4. The data, as in week5/lora


# %%
def build_example(tokenizer, pair):
    """Return {"input_ids", "labels"}: lists of one length; labels are -100 on the prompt."""
    user = {"role": "user", "content": pair["prompt"]}
    prompt = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    response = pair["response"] + tokenizer.eos_token
    response_ids = tokenizer(response, add_special_tokens=False)["input_ids"]
    return {
        "input_ids": prompt_ids + response_ids,
        "labels": [IGNORED] * len(prompt_ids) + response_ids,
    }


# %% [markdown]
# ## 5. Training


# %%
def build_trainer(model, tokenizer, train):
    arguments = TrainingArguments(
        per_device_train_batch_size=lab.batch_size(8),
        num_train_epochs=1,
        learning_rate=2e-3,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        use_cpu=DEVICE == "cpu",
        bf16=True,  # autocast: the output layer, now in float32, would cost twice the time
        train_sampling_strategy="group_by_length",
        include_num_input_tokens_seen="all",
        logging_steps=1,
        report_to="none",
        seed=SEED,
        **lab.checkpointing(every=8),
    )
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=[build_example(tokenizer, pair) for pair in train],
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
        processing_class=tokenizer,
        callbacks=[lab.progress()],
    )


# %% [markdown]
# ## 6. Merging
#
# Into the base as it was before quantization: rounding the merged weights to 16 levels again
# would throw much of what was learned away.


# %%
def merge(adapter):
    """Return the 16-bit base with the saved adapter added to its weights."""
    from peft import PeftModel

    base, _ = lab.load_base()
    return PeftModel.from_pretrained(base, adapter).merge_and_unload()


# %%
@torch.no_grad()
def held_out_loss(model, tokenizer, pairs):
    """Return the mean loss in nats over the response tokens of all pairs."""
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
    _, tokenizer = lab.load_base()
    train, held_out = lab.instructions()
    quantized = load_quantized()
    print(f"{quantized.get_memory_footprint() / 1e6:.0f} MB of weights")
    model = build_model(quantized)
    trainer = build_trainer(model, tokenizer, train[:PAIRS])
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())
    adapter = lab.run_dir() / "adapter"
    model.save_pretrained(adapter)

    metrics = {"held_out_loss": held_out_loss(merge(adapter), tokenizer, held_out[::3])}
    (lab.run_dir() / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(metrics)


if __name__ == "__main__":
    main()
