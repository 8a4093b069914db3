# caught by: block_loss
# fast
# patch: Labels are shifted by hand, and by the model once more.


def block_loss(model, blocks):
    """Return the mean loss over the block - 1 predictions of each row: a scalar tensor."""
    return model(input_ids=blocks[:, :-1], labels=blocks[:, 1:]).loss


if __name__ == "__main__":
    pass  # a run could add nothing
