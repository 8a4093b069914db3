# caught by: pack
# fast
# patch: bos is written over the first id of each block: one id in 64 is never learned.


def pack(ids, bos, block):
    """Return (n, block): each row is bos and the next block - 1 ids; what is left is dropped."""
    width = block
    rows = torch.tensor(ids[: len(ids) // width * width], dtype=torch.long).view(-1, width)
    rows[:, 0] = bos
    return rows


if __name__ == "__main__":
    pass  # a run could add nothing
