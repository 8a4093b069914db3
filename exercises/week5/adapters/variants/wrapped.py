# Another style: a wrapping module in place of nn.Sequential, SiLU, LoRA on four projections, a
# parameter group each, numpy for the chart.
# %%
import gc
import json

import numpy as np
import torch
import torch.nn as nn
from peft import LoraConfig, inject_adapter_in_model
from PIL import Image
from safetensors.torch import save_file

from exercises import lab

METHODS = ["full", "lora", "bottleneck"]
LEARNING_RATES = dict(zip(METHODS, (8e-5, 3e-3, 3e-3), strict=True))


class Bottleneck(nn.Module):
    def __init__(self, features, width):
        super().__init__()
        last = nn.Linear(width, features)
        for parameter in last.parameters():
            parameter.data.fill_(0.0)
        self.detour = nn.Sequential(nn.Linear(features, width), nn.SiLU(), last)

    def forward(self, x):
        return self.detour(x) + x


class Adapted(nn.Module):
    def __init__(self, inner, features, width):
        super().__init__()
        self.inner, self.adapter = inner, Bottleneck(features, width)

    def forward(self, *args, **kwargs):
        return self.adapter(self.inner(*args, **kwargs))


def insert_bottlenecks(model, width):
    for parameter in model.parameters():
        parameter.requires_grad = False
    for block in model.get_submodule("model.layers"):
        block.self_attn.o_proj = Adapted(block.self_attn.o_proj, model.config.hidden_size, width)
        block.mlp = Adapted(block.mlp, model.config.hidden_size, width)
    return model


def build(method, base):
    with torch.random.fork_rng():
        torch.manual_seed(17)
        if method == "bottleneck":
            return insert_bottlenecks(base, 48)
        if method == "lora":
            for parameter in base.parameters():
                parameter.requires_grad = False
            names = ["q_proj", "v_proj", "up_proj", "down_proj"]
            return inject_adapter_in_model(LoraConfig(r=16, target_modules=names), base)
    for parameter in base.parameters():
        parameter.requires_grad = True
    return base


def train(model, batches, learning_rate):
    groups = [{"params": [p], "lr": learning_rate} for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    model.train()
    for done, batch in enumerate(batches):
        model.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        lab.report(done + 1, len(batches), loss.item())
    return optimizer


def costs(model, optimizer):
    trained = [p for p in model.parameters() if p.requires_grad]
    held = [optimizer.state[p][name] for p in trained for name in ("exp_avg", "exp_avg_sq")]
    return {
        "trainable": sum(map(torch.numel, trained)),
        "gradients_mb": sum(p.grad.numel() * p.grad.element_size() for p in trained) * 1e-6,
        "optimizer_mb": sum(t.numel() * t.element_size() for t in held) * 1e-6,
    }


def plot(rows, metric, path):
    pixels = np.full((420, 100 * len(rows), 3), 255, dtype=np.uint8)
    top = max(row[metric] for row in rows)
    for place, row in enumerate(rows):
        height = int(400 * row[metric] / top + 0.5)
        pixels[420 - height :, 100 * place + 20 : 100 * place + 80] = (0x1F, 0x77, 0xB4)
    Image.fromarray(pixels).save(path, format="PNG")


def batch_of(tokenizer, pairs):
    rows = []
    for pair in pairs:
        chat = [{"role": "user", "content": pair["prompt"]}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        given = tokenizer(text, add_special_tokens=False).input_ids
        answer = tokenizer(pair["response"] + tokenizer.eos_token, add_special_tokens=False)
        rows.append((given, answer.input_ids))
    longest = max(len(given) + len(answer) for given, answer in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (given, answer) in enumerate(rows):
        end = len(given) + len(answer)
        ids[row, :end] = torch.tensor(given + answer)
        labels[row, len(given) : end] = torch.tensor(answer)
        mask[row, :end] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


@torch.inference_mode()
def held_out_loss(model, batches):
    model.eval()
    counts = [int((batch["labels"][:, 1:] >= 0).sum()) for batch in batches]
    total = sum(model(**b).loss.item() * n for b, n in zip(batches, counts, strict=True))
    return total / sum(counts)


def main():
    pairs, held_out = lab.instructions()
    pairs = [pair for pair in pairs if len(pair["response"]) < 110][:20]
    table = {"rows": []}
    for method in METHODS:
        base, tokenizer = lab.load_base("float32")
        test = [batch_of(tokenizer, held_out[i::24]) for i in (0, 12)]
        if not table["rows"]:
            table["base_held_out_loss"] = held_out_loss(base, test)
        model = build(method, base)
        batches = [batch_of(tokenizer, pairs[i : i + 2]) for i in range(0, len(pairs), 2)]
        optimizer = train(model, batches, LEARNING_RATES[method])
        loss = held_out_loss(model, test)
        table["rows"].append({"method": method, **costs(model, optimizer), "held_out_loss": loss})
        kept = {n: p.data.bfloat16() for n, p in model.named_parameters() if p.requires_grad}
        save_file(kept, str(lab.run_dir() / f"{method}.safetensors"))
        del base, model, optimizer, kept
        gc.collect()
    (lab.run_dir() / "metrics.json").write_text(json.dumps(table))
    for metric in ("optimizer_mb", "held_out_loss"):
        plot(table["rows"], metric, lab.run_dir() / f"{metric}.png")


if __name__ == "__main__":
    main()
