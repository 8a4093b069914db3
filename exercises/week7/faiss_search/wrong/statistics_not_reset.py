# caught by: sweep
# patch: The statistics are never reset: each row counts all work so far.


def sweep(name, index, values, queries, exact):
    """Return one row for each value of nprobe (name "IVF") or efSearch ("HNSW"), in order.

    A row: {"index": name, "setting": value, "recall": of `exact` (q, k),
    "compared": vectors that the query was compared with, mean over the queries,
    "milliseconds": for one query}.
    """
    stats = faiss.cvar.indexIVF_stats if name == "IVF" else faiss.cvar.hnsw_stats
    rows = []
    for value in values:
        if name == "IVF":
            index.nprobe = value
        else:
            index.hnsw.efSearch = value
        began = time.perf_counter()
        _, found = index.search(queries, exact.shape[1])
        seconds = time.perf_counter() - began
        rows.append(
            {
                "index": name,
                "setting": value,
                "recall": recall(found, exact),
                "compared": stats.ndis / len(queries),
                "milliseconds": 1000 * seconds / len(queries),
            }
        )
    return rows
