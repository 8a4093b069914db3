# caught by: nodes
# patch: Counts words: a table of formulas has three tokens to a word.


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
            excluded_embed_metadata_keys=["document"],
            excluded_llm_metadata_keys=["document"],
        )
        for document in documents
        for section in corpus.sections(document)
    ]
    splitter = SentenceSplitter(
        chunk_size=size,
        chunk_overlap=overlap,
        tokenizer=str.split,
    )
    return splitter.get_nodes_from_documents(made)  # it leaves room for the metadata's tokens
