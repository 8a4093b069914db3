# Another style: counts by module and by data_ptr, einsum and loops for the maps, a loop over the
# texts instead of a batch, lab's own loaders, lists where tuples were asked for.
# %%
import math

import torch
from torch.nn import functional as F

from exercises import lab


# %%
def load_models():
    encoder, words = lab.load_encoder()
    causal, pieces = lab.load_base(dtype="float32")
    return [encoder.eval(), words, causal.eval(), pieces]


# %%
@torch.inference_mode()
def forward(model, tokenizer, texts, **wanted):
    encoded = tokenizer(texts, return_tensors="pt", padding="longest")
    return encoded, model(**encoded, **wanted, return_dict=True)


def shapes(model, tokenizer, texts):
    encoded, out = forward(model, tokenizer, list(texts), output_hidden_states=True)
    sizes = {
        "input_ids": encoded.input_ids.size(),
        "hidden_states": [len(out.hidden_states), *out.hidden_states[-1].size()],
    }
    if getattr(out, "logits", None) is not None:
        sizes["logits"] = out.logits.size()
    return sizes


# %%
def count(model):
    storages = {}
    for tensor in model.state_dict(keep_vars=True).values():
        if isinstance(tensor, torch.nn.Parameter):
            storages[tensor.data_ptr()] = tensor.numel()
    table = model.get_input_embeddings()
    return [sum(storages.values()), table.num_embeddings * table.embedding_dim]


def linear(inputs, outputs, bias):
    return inputs * outputs + (outputs if bias else 0)


def encoder_parameters(config):
    width, norm = config.hidden_size, 2 * config.hidden_size
    total = norm + linear(width, width, bias=True)
    for table in ("vocab_size", "max_position_embeddings", "type_vocab_size"):
        total += getattr(config, table) * width
    for _ in range(config.num_hidden_layers):
        total += 4 * linear(width, width, bias=True) + 2 * norm
        total += linear(width, config.intermediate_size, bias=True)
        total += linear(config.intermediate_size, width, bias=True)
    return total


def causal_parameters(config):
    width = config.hidden_size
    total = width + linear(width, config.vocab_size, bias=False)
    if not config.tie_word_embeddings:
        total += config.vocab_size * width
    heads = 2 * config.num_attention_heads + 2 * config.num_key_value_heads
    for _ in range(config.num_hidden_layers):
        total += heads * linear(width, config.head_dim, bias=False)
        total += 3 * linear(width, config.intermediate_size, bias=False) + 2 * width
    return total


# %%
def attention_maps(model, tokenizer, text):
    model.config._attn_implementation = "eager"
    _, out = forward(model, tokenizer, [text], output_attentions=True)
    return torch.stack([layer.squeeze(0) for layer in out.attentions], dim=0)


def weight_on_later_tokens(maps):
    size = maps.size(-1)
    ahead = torch.ones(size, size, dtype=maps.dtype) - torch.ones(size, size).tril()
    total = torch.einsum("lhij,ij->", maps.double(), ahead.double())
    return total / math.prod(maps.shape[:3])


def previous_token_head(maps):
    best = (0, 0, -1.0)
    for layer, heads in enumerate(maps):
        for head, square in enumerate(heads):
            weight = torch.stack([square[i, i - 1] for i in range(1, len(square))]).mean()
            if weight > best[2]:
                best = (layer, head, weight)
    return best


# %%
def sentence_embeddings(model, tokenizer, texts):
    rows = []
    for text in texts:
        _, out = forward(model, tokenizer, text)
        rows.append(F.normalize(out.last_hidden_state.mean(1), p=2.0, dim=1))
    return torch.cat(rows)
