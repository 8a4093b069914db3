# caught by: pack
# fast
# patch: Each block begins halfway through the one before.


def pack(ids, bos, block):
    """Return (n, block): each row is bos and the next block - 1 ids; what is left is dropped."""
    width = block - 1
    rows = torch.tensor(ids, dtype=torch.long).unfold(0, width, max(1, width // 2))
    return torch.cat([torch.full((len(rows), 1), bos), rows], dim=1)


if __name__ == "__main__":
    pass  # a run could add nothing
