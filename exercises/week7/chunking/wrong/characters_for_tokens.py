# caught by: split
# patch: Sizes in characters: chunks of a quarter of the size that was asked.


def split(document, size, overlap):
    """Return the chunks of a corpus.Document in order.

    A section (corpus.sections) of at most `size` tokens is one chunk; a longer one is cut by
    `windows` over its tokens. A body goes from its first token's first character to its last
    token's last one.
    """
    chunks = []
    for section in corpus.sections(document):
        offsets = [(n, n + 1) for n in range(len(section.text))]
        for first, end in windows(len(offsets), size, overlap):
            body = section.text[offsets[first][0] : offsets[end - 1][1]]
            chunks.append(Chunk(document.id, document.title, section.heading, body))
    return chunks
