# caught by: causal_formula
# patch: Keys and values as wide as queries: right only without grouped heads.


def causal_parameters(config) -> int:
    """Return that of LlamaForCausalLM(config). Queries have num_attention_heads heads of
    head_dim, keys and values num_key_value_heads; tie_word_embeddings decides on the output."""
    d, inner = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    attention = d * queries + 2 * d * queries + queries * d
    block = attention + 3 * d * inner + 2 * d  # gate, up, down; two RMSNorms
    table = config.vocab_size * d
    tables = 1 if config.tie_word_embeddings else 2
    return tables * table + config.num_hidden_layers * block + d
