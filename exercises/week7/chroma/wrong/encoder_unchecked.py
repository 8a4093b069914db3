# caught by: encoder_named
# patch: Writes the encoder's name and never reads it.


def open_store(folder, encoder="minilm"):
    """Return the collection NAME in the folder, made if it is not there.

    It compares by cosine, has no embedding function, sends no telemetry, and bears the encoder's
    name in its metadata. Raises ValueError where it was made with another encoder.
    """
    client = chromadb.PersistentClient(
        path=str(folder), settings=Settings(anonymized_telemetry=False)
    )
    collection = client.get_or_create_collection(
        NAME,
        embedding_function=None,
        configuration={"hnsw": {"space": "cosine"}},
        metadata={"encoder": encoder},
    )
    return collection
