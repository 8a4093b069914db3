# caught by: table
# patch: The rise is over the row before, not over F16.


def table(source: Path, folder: Path, types: list[str], text: str, chunk: int = 256) -> list[Row]:
    """Quantize source (F16) into folder as <type>.gguf and measure each file.

    The first row is the source's, "F16"; then one for each type, in the order of `types`.
    """
    rows: list[Row] = []
    for name in ["F16", *types]:
        file = source
        if name != "F16":
            file = folder / f"{name}.gguf"
            quantize_file(source, file, name)
        found = perplexity(file, text, chunk)
        reference = rows[-1].perplexity if rows else found
        size = file.stat().st_size / 1e6
        rows.append(Row(name, size, bits_per_weight(file), found, found / reference - 1))
    return rows
