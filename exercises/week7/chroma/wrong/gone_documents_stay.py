# caught by: updated
# patch: Documents that are no longer wanted stay in the store.


def sync(collection, documents, embed):
    """Make the store hold exactly these documents; return how many of them were
    {"added", "updated", "removed", "unchanged"}.

    embed: texts to vectors (n, d) of length 1. It sees the passages of new and changed documents
    only. Of a changed document no old passage stays.
    """
    stored = collection.get(include=["metadatas"])["metadatas"]
    known = {metadata["document"]: metadata["sha256"] for metadata in stored}
    done = {"added": 0, "updated": 0, "removed": 0, "unchanged": 0}
    for document in documents:
        before = known.pop(document.id, None)
        if before == fingerprint(document):
            done["unchanged"] += 1
            continue
        done["added" if before is None else "updated"] += 1
        remove(collection, document.id)
        add(collection, document, embed)
    for gone in known:
        done["removed"] += 1
        known[gone] = ""
    return done
