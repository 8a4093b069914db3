# caught by: last_token
# fast
# patch: The last column: padding, wherever a row is shorter than the longest.


def last_states(trunk, input_ids, attention_mask):
    """Return (n, H): the last layer's state of each row's last token that is not padding.

    trunk: the model without its output layer (`model.model` of a causal LM). Padding may be on
    either side, and its id may be a token of the text.
    """
    states = trunk(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return states[:, -1]


if __name__ == "__main__":
    pass  # a run could add nothing
