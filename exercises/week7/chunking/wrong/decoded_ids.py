# caught by: split
# patch: Decodes the ids: lower case, spaces around punctuation, and no quotation is found.


def split(document, size, overlap):
    """Return the chunks of a corpus.Document in order.

    A section (corpus.sections) of at most `size` tokens is one chunk; a longer one is cut by
    `windows` over its tokens. A body goes from its first token's first character to its last
    token's last one.
    """
    chunks = []
    for section in corpus.sections(document):
        ids = corpus.tokenizer().encode(section.text, add_special_tokens=False).ids
        for first, end in windows(len(ids), size, overlap):
            body = corpus.tokenizer().decode(ids[first:end])
            chunks.append(Chunk(document.id, document.title, section.heading, body))
    return chunks
