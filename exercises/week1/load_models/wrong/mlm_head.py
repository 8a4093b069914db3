# caught by: loads
# AutoModelForMaskedLM: its head is not in the file and starts random.
# %% [markdown]
# # Two models, opened up
#
# An encoder (BERT's family: sees both sides) and a causal language model (Llama's family: sees
# the left only). Load both, and look at what flows through them.

# %%
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from exercises import lab

# %% [markdown]
# ## Load
#
# `lab.encoder_folder()` and `lab.base_folder("float32")` are what `from_pretrained` takes: folders
# with a config.json, the weights as safetensors and a tokenizer.


# %%
def load_models():
    """Return (encoder, its tokenizer, causal LM, its tokenizer), ready for inference."""
    # from_pretrained leaves a model in eval mode: no dropout.
    folder, lm_folder = lab.encoder_folder(), lab.base_folder("float32")
    encoder = AutoModelForMaskedLM.from_pretrained(folder)
    lm = AutoModelForCausalLM.from_pretrained(lm_folder)
    encoder_tokenizer = AutoTokenizer.from_pretrained(folder)
    return encoder, encoder_tokenizer, lm, AutoTokenizer.from_pretrained(lm_folder)


# %% [markdown]
# ## Shapes


# %%
def shapes(model, tokenizer, texts: list[str]) -> dict[str, tuple[int, ...]]:
    """Run a padded batch and return the shapes of what comes out.

    "input_ids": (B, T). "hidden_states": of all of them stacked, the embeddings' output first:
    (blocks + 1, B, T, d). "logits": (B, T, V), only where the model has an output layer.
    """
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        output = model(**batch, output_hidden_states=True)
    found = {
        "input_ids": tuple(batch["input_ids"].shape),
        "hidden_states": tuple(torch.stack(output.hidden_states).shape),
    }
    if "logits" in output:
        found["logits"] = tuple(output.logits.shape)
    return found


# %% [markdown]
# ## Count
#
# First the model in memory, then from the configuration alone: `config` has the fields of
# BertConfig or LlamaConfig (`config.hidden_size`, …) and nothing else.


# %%
def count(model) -> tuple[int, int]:
    """Return (all parameters, those of the table of tokens); a shared matrix counts once."""
    total = sum(p.numel() for p in model.parameters())  # names a shared tensor once
    return total, model.get_input_embeddings().weight.numel()


def encoder_parameters(config) -> int:
    """Return the number of parameters of BertModel(config), pooler included."""
    d, inner = config.hidden_size, config.intermediate_size
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    norm = 2 * d  # weight and bias
    attention = 4 * (d * d + d)  # queries, keys, values, output
    ffn = (d * inner + inner) + (inner * d + d)
    block = attention + norm + ffn + norm
    pooler = d * d + d
    return rows * d + norm + config.num_hidden_layers * block + pooler


def causal_parameters(config) -> int:
    """Return that of LlamaForCausalLM(config). Queries have num_attention_heads heads of
    head_dim, keys and values num_key_value_heads; tie_word_embeddings decides on the output."""
    d, inner = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    attention = d * queries + 2 * d * keys + queries * d
    block = attention + 3 * d * inner + 2 * d  # gate, up, down; two RMSNorms
    table = config.vocab_size * d
    tables = 1 if config.tie_word_embeddings else 2
    return tables * table + config.num_hidden_layers * block + d


# %% [markdown]
# ## Attention maps


# %%
def attention_maps(model, tokenizer, text: str) -> torch.Tensor:
    """Return the attention weights of one text: (layers, heads, T, T); a row is a query."""
    model.set_attn_implementation("eager")  # the fused kernels never form the weights
    with torch.no_grad():
        output = model(**tokenizer(text, return_tensors="pt"), output_attentions=True)
    return torch.cat(output.attentions)  # each layer's is (1, heads, T, T)


def weight_on_later_tokens(maps: torch.Tensor) -> float:
    """Return the share of its attention that a query gives to later tokens, in the mean over
    all layers, heads and queries. maps: (layers, heads, T, T)."""
    later = maps.triu(diagonal=1).sum(dim=-1)  # (layers, heads, T)
    return later.mean().item()


def previous_token_head(maps: torch.Tensor) -> tuple[int, int, float]:
    """Return (layer, head, weight) of the head that looks most at the previous token.

    weight: the mean, over the tokens 1 to T - 1, of the attention on the token before.
    """
    weights = maps.diagonal(offset=-1, dim1=-2, dim2=-1).mean(dim=-1)  # (layers, heads)
    layer, head = divmod(weights.argmax().item(), weights.shape[1])
    return layer, head, weights[layer, head].item()


# %% [markdown]
# ## A vector for a sentence


# %%
def sentence_embeddings(model, tokenizer, texts: list[str]) -> torch.Tensor:
    """Return one vector of length 1 for each text: (N, d).

    As sentence-transformers makes them with this encoder: the mean of the last hidden state over
    all real tokens ([CLS] and [SEP] among them, padding not), then scaled to length 1.
    """
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state  # (N, T, d)
    mask = batch["attention_mask"].unsqueeze(-1)  # (N, T, 1)
    mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
    return torch.nn.functional.normalize(mean, dim=-1)


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    encoder, encoder_tokenizer, lm, lm_tokenizer = load_models()
    text = "The tokenizer splits a text into tokens, and the model looks each of them up."
    for model, tokenizer in ((encoder, encoder_tokenizer), (lm, lm_tokenizer)):
        total, table = count(model)
        print(f"{type(model).__name__}: {total:,} parameters, {table / total:.0%} in the table")
        print(shapes(model, tokenizer, [text, "Short."]))
        maps = attention_maps(model, tokenizer, text)
        layer, head, weight = previous_token_head(maps)
        print(f"on later tokens: {weight_on_later_tokens(maps):.2f}")
        print(f"layer {layer}, head {head} looks at the previous token with {weight:.2f}")
    sentences = ["A cat sits on the mat.", "A kitten is resting on a rug.", "Shares fell today."]
    vectors = sentence_embeddings(encoder, encoder_tokenizer, sentences)
    print(vectors @ vectors.T)  # cosine similarities, as all have length 1
