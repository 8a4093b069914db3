# caught by: split
# patch: Cuts the whole document: chunks go across headings.


def split(document, size, overlap):
    """Return the chunks of a corpus.Document in order.

    A section (corpus.sections) of at most `size` tokens is one chunk; a longer one is cut by
    `windows` over its tokens. A body goes from its first token's first character to its last
    token's last one.
    """
    chunks = []
    whole = corpus.Section(document.id, document.title, "", document.text)
    for section in [whole]:
        offsets = corpus.tokenizer().encode(section.text, add_special_tokens=False).offsets
        for first, end in windows(len(offsets), size, overlap):
            body = section.text[offsets[first][0] : offsets[end - 1][1]]
            chunks.append(Chunk(document.id, document.title, section.heading, body))
    return chunks
