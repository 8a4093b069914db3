# %% [markdown]
# # QLoRA: an adapter over a base in four bits
#
# Dettmers et al. 2023 (arXiv 2305.14314): NF4 weights, double quantization, LoRA on every linear
# layer. The same data as in week5/lora. Fill each gap, keep the names and the signatures.
# Run with `tutor run week5/qlora`, grade with `tutor check week5/qlora`.

# %%
import json

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training  # noqa: F401
from transformers import (  # noqa: F401
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
    raise NotImplementedError("bits_per_parameter: 4 bits and the share of the scales")


# %% [markdown]
# ## 2. The base in four bits


# %%
def quantization_config():
    raise NotImplementedError("quantization_config: NF4, double quantization, compute dtype")


def base_folder():
    """Return the folder where the lab keeps the base, dequantized from its GGUF."""
    base, _ = lab.load_base()
    return base.name_or_path


def load_quantized():
    """Return the base with every linear layer of its blocks in NF4."""
    # base_folder() holds it in 16 bits; DEVICE is where it goes: device_map={"": DEVICE}.
    raise NotImplementedError("load_quantized: from_pretrained with the quantization")


# %% [markdown]
# ## 3. The adapter
#
# `prepare_model_for_kbit_training` freezes the base, puts norms, embeddings and output layer in
# float32, and turns on checkpointing: activations are computed again instead of kept.


# %%
def build_model(quantized):
    """Return the quantized base, prepared, with a fresh adapter, the same on every call."""
    raise NotImplementedError("build_model: prepare, torch.manual_seed(SEED), adapt every linear")


# %% [markdown]
# ## 4. The data, as in week5/lora


# %%
def build_example(tokenizer, pair):
    """Return {"input_ids", "labels"}: lists of one length; labels are -100 on the prompt."""
    raise NotImplementedError("build_example: yours from week5/lora")


# %% [markdown]
# ## 5. Training


# %%
def build_trainer(model, tokenizer, train):
    # As in week5/lora; bf16=True saves time, for the output layer is now in
    # float32; on a CPU the Trainer wants use_cpu=True with it.
    raise NotImplementedError("build_trainer: arguments, examples, collator, callbacks")


# %% [markdown]
# ## 6. Merging
#
# Into the base as it was before quantization: rounding the merged weights to 16 levels again
# would throw much of what was learned away.


# %%
def merge(adapter):
    """Return the 16-bit base with the saved adapter added to its weights."""
    raise NotImplementedError("merge: the adapter on lab.load_base(), merged")


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
