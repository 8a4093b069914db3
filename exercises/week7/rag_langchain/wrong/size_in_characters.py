# caught by: split
# patch: Sizes in characters, five to a token: in tables and formulas a token is shorter than that.


def split(documents, size=120, overlap=20):
    """Return the corpus.Documents as LangChain Documents, in order.

    page_content: a piece of one section (corpus.sections) with at most `size` tokens
    (corpus.count_tokens), cut at paragraphs and sentences where possible.
    metadata: "document" (its id), "title", "heading".
    """
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=5 * size,
        chunk_overlap=overlap,
        separators=["\n\n", "\n", ". ", " ", ""],
        keep_separator="end",
    )
    sections = [section for document in documents for section in corpus.sections(document)]
    return splitter.create_documents(
        [section.text for section in sections],
        [{"document": s.document, "title": s.title, "heading": s.heading} for s in sections],
    )
