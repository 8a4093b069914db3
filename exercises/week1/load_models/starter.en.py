# %% [markdown]
# # Two models, opened up
#
# An encoder (BERT's family: sees both sides) and a causal language model (Llama's family: sees
# the left only). Load both, and look at what flows through them.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check week1/load_models`.

# %%
import torch

# %% [markdown]
# ## Load
#
# `lab.encoder_folder()` and `lab.base_folder("float32")` are what `from_pretrained` takes: folders
# with a config.json, the weights as safetensors and a tokenizer. Import the Auto classes that you
# need from transformers, and `from exercises import lab`.


# %%
def load_models():
    """Return (encoder, its tokenizer, causal LM, its tokenizer), ready for inference."""
    raise NotImplementedError("load_models: the encoder without any head, and the causal LM")


# %% [markdown]
# ## Shapes


# %%
def shapes(model, tokenizer, texts: list[str]) -> dict[str, tuple[int, ...]]:
    """Run a padded batch and return the shapes of what comes out.

    "input_ids": (B, T). "hidden_states": of all of them stacked, the embeddings' output first:
    (blocks + 1, B, T, d). "logits": (B, T, V), only where the model has an output layer.
    """
    raise NotImplementedError("shapes: one forward pass with all hidden states")


# %% [markdown]
# ## Count
#
# First the model in memory, then from the configuration alone: `config` has the fields of
# BertConfig or LlamaConfig (`config.hidden_size`, …) and nothing else.


# %%
def count(model) -> tuple[int, int]:
    """Return (all parameters, those of the table of tokens); a shared matrix counts once."""
    raise NotImplementedError("count: all parameters, and the table's")


def encoder_parameters(config) -> int:
    """Return the number of parameters of BertModel(config), pooler included."""
    raise NotImplementedError("encoder_parameters: embeddings, blocks, pooler")


def causal_parameters(config) -> int:
    """Return that of LlamaForCausalLM(config). Queries have num_attention_heads heads of
    head_dim, keys and values num_key_value_heads; tie_word_embeddings decides on the output."""
    raise NotImplementedError("causal_parameters: table, blocks, last norm, output layer")


# %% [markdown]
# ## Attention maps


# %%
def attention_maps(model, tokenizer, text: str) -> torch.Tensor:
    """Return the attention weights of one text: (layers, heads, T, T); a row is a query."""
    raise NotImplementedError("attention_maps: eager attention, all layers in one tensor")


def weight_on_later_tokens(maps: torch.Tensor) -> float:
    """Return the share of its attention that a query gives to later tokens, in the mean over
    all layers, heads and queries. maps: (layers, heads, T, T)."""
    raise NotImplementedError("weight_on_later_tokens: what lies above the diagonal")


def previous_token_head(maps: torch.Tensor) -> tuple[int, int, float]:
    """Return (layer, head, weight) of the head that looks most at the previous token.

    weight: the mean, over the tokens 1 to T - 1, of the attention on the token before.
    """
    raise NotImplementedError("previous_token_head: the diagonal below the diagonal")


# %% [markdown]
# ## A vector for a sentence


# %%
def sentence_embeddings(model, tokenizer, texts: list[str]) -> torch.Tensor:
    """Return one vector of length 1 for each text: (N, d).

    As sentence-transformers makes them with this encoder: the mean of the last hidden state over
    all real tokens ([CLS] and [SEP] among them, padding not), then scaled to length 1.
    """
    raise NotImplementedError("sentence_embeddings: mean over the real tokens, length 1")


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
