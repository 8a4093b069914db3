# caught by: opened
# patch: The embedding function is not named: Chroma brings its own, and would download a model.


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
        configuration={"hnsw": {"space": "cosine"}},
        metadata={"encoder": encoder},
    )
    made_with = collection.metadata["encoder"]
    if made_with != encoder:
        raise ValueError(f"the store was made with {made_with!r}, not with {encoder!r}")
    return collection
