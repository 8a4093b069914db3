# caught by: bits
# patch: Bits of the whole file, tokenizer and metadata included.


def bits_per_weight(file: Path) -> float:
    """Return the mean number of bits that a weight takes in the file, over all of its tensors;
    tokenizer and metadata do not count."""
    from gguf import GGUFReader

    tensors = GGUFReader(file).tensors
    return 8 * file.stat().st_size / sum(int(t.n_elements) for t in tensors)
