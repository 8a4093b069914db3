# caught by: block_loss
# fast
# patch: Each position is asked for the id that it has just read.


def block_loss(model, blocks):
    """Return the mean loss over the block - 1 predictions of each row: a scalar tensor."""
    logits = model(input_ids=blocks).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), blocks.flatten())


if __name__ == "__main__":
    pass  # a run could add nothing
