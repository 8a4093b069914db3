# caught by: split
# patch: Pieces without their heading: nobody can say where an answer is from.


def split(documents, size=120, overlap=20):
    """Return the corpus.Documents as LangChain Documents, in order.

    page_content: a piece of one section (corpus.sections) with at most `size` tokens
    (corpus.count_tokens), cut at paragraphs and sentences where possible.
    metadata: "document" (its id), "title", "heading".
    """
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=size,
        chunk_overlap=overlap,
        length_function=corpus.count_tokens,
        separators=["\n\n", "\n", ". ", " ", ""],
        keep_separator="end",
    )
    sections = [section for document in documents for section in corpus.sections(document)]
    return splitter.create_documents(
        [section.text for section in sections],
        [{"document": s.document, "title": s.title} for s in sections],
    )
