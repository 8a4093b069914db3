# caught by: nodes
# patch: The document's id is embedded and shown to the model: "week7.en" says nothing.


def make_nodes(documents, size=120, overlap=20):
    """Return the corpus.Documents as nodes, in order.

    A node's text is a piece of one section (corpus.sections) with at most `size` tokens
    (corpus.count_tokens). Metadata: "document" (its id), "title", "heading". Title and heading are
    embedded with the text (MetadataMode.EMBED); the document's id is in neither that nor what the
    LLM sees (MetadataMode.LLM).
    """
    made = [
        Document(
            text=section.text,
            metadata={
                "document": section.document,
                "title": section.title,
                "heading": section.heading,
            },
        )
        for document in documents
        for section in corpus.sections(document)
    ]
    splitter = SentenceSplitter(
        chunk_size=size,
        chunk_overlap=overlap,
        tokenizer=lambda text: corpus.tokenizer().encode(text, add_special_tokens=False).ids,
    )
    return splitter.get_nodes_from_documents(made)  # it leaves room for the metadata's tokens
