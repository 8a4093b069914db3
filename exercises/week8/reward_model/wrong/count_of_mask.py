# caught by: last_token
# fast
# patch: The number of tokens as a place: right only where the padding is on the right.


def last_states(trunk, input_ids, attention_mask):
    """Return (n, H): the last layer's state of each row's last token that is not padding.

    trunk: the model without its output layer (`model.model` of a causal LM). Padding may be on
    either side, and its id may be a token of the text.
    """
    states = trunk(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    last = attention_mask.sum(dim=1) - 1
    return states[torch.arange(len(last)), last]


if __name__ == "__main__":
    pass  # a run could add nothing
