# Another style: transformers' Trainer with its own cosine, ByteLevelBPETokenizer, no loop by hand.
import os
import tempfile

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

from exercises import lab

BOS, VOCAB, BLOCK = "<|endoftext|>", 512, 64


def split(text):
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    kept = "\n".join(lines[: len(lines) - len(lines) // 10]) + "\n"
    return kept, text[len(kept) :]


def train_tokenizer(text):
    tokenizer = ByteLevelBPETokenizer()
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "corpus.txt")
        with open(file, "w", encoding="utf-8", newline="") as handle:
            handle.write(text)
        tokenizer.train([file], vocab_size=VOCAB, special_tokens=[BOS], show_progress=False)
    return tokenizer


def pack(ids, bos, block):
    rows = len(ids) // (block - 1)
    array = np.full((rows, block), bos, dtype=np.int64)
    for r in range(rows):
        array[r, 1:] = ids[r * (block - 1) : (r + 1) * (block - 1)]
    return torch.from_numpy(array)


def prepare(text):
    known, unknown = split(text)
    learned = train_tokenizer(known)
    return learned, pack(learned.encode(known).ids, 0, BLOCK), unknown


def build_model(vocab_size):
    set_seed(123)
    shape = {"n_embd": 96, "n_layer": 2, "n_head": 6, "n_positions": BLOCK}
    drop = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=vocab_size, bos_token_id=0, eos_token_id=0, **shape, **drop)
    )


def block_loss(model, blocks):
    logits = model(blocks[:, :-1]).logits.transpose(1, 2)  # (rows, vocab, block - 1)
    return torch.nn.functional.cross_entropy(logits, blocks[:, 1:])


def learning_rate(step, steps, warmup, peak):
    rising = min(1.0, step / warmup)
    progress = max(0.0, step - warmup) / (steps - warmup)
    return peak * rising * np.cos(progress * np.pi / 2) ** 2


def nats_per_byte(model, tokenizer, text):
    was = model.training
    model.train(False)
    ids, nats = tokenizer.encode(text).ids, []
    with torch.inference_mode():
        for first in range(0, len(ids), BLOCK - 1):
            piece = torch.tensor(ids[first : first + BLOCK - 1])
            context = torch.cat([piece.new_zeros(1), piece[:-1]])
            log_p = model(context[None]).logits[0].log_softmax(-1)
            nats.append(-log_p[torch.arange(len(piece)), piece].sum())
    model.train(was)
    return float(sum(nats)) / len(text.encode("utf-8"))


def train(model, blocks, steps):
    arguments = TrainingArguments(
        max_steps=steps,
        per_device_train_batch_size=16,
        learning_rate=8e-3,
        lr_scheduler_type="cosine",
        warmup_steps=40,
        logging_steps=50,
        report_to="none",
        **lab.checkpointing(every=200),
    )
    data = [{"input_ids": row, "labels": row} for row in blocks]
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=[lab.progress()])
    trainer.train(resume_from_checkpoint=lab.last_checkpoint())


if __name__ == "__main__":
    tokenizer, blocks, unknown = prepare(lab.lessons("en"))
    model = build_model(tokenizer.get_vocab_size())
    train(model, blocks, 450)
    model.save_pretrained(lab.run_dir() / "model")
    tokenizer.save(str(lab.run_dir() / "tokenizer.json"))
    print(nats_per_byte(model, tokenizer, unknown))
