# caught by: encoder_formula
# patch: The blocks and the embeddings, and no pooler.


def encoder_parameters(config) -> int:
    """Return the number of parameters of BertModel(config), pooler included."""
    d, inner = config.hidden_size, config.intermediate_size
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    norm = 2 * d  # weight and bias
    attention = 4 * (d * d + d)  # queries, keys, values, output
    ffn = (d * inner + inner) + (inner * d + d)
    block = attention + norm + ffn + norm
    return rows * d + norm + config.num_hidden_layers * block
