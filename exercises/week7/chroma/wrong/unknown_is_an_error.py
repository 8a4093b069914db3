# caught by: removed
# patch: Chroma refuses an empty list of ids, and so does remove.


def remove(collection, document_id):
    """Delete a document's passages and return how many there were; 0 where it is unknown."""
    ids = collection.get(where={"document": document_id}, include=[])["ids"]
    collection.delete(ids=ids)
    return len(ids)
