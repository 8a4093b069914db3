# caught by: perplexity
# patch: A perplexity a chunk, and the mean of these.


def perplexity(file: Path, text: str, chunk: int = 256) -> float:
    """Return exp of the mean -ln p of the counted tokens.

    The text's tokens (no begin token is added) are cut into whole chunks, what is left over is
    dropped. Each chunk starts with an empty cache. Counted are a chunk's tokens from chunk / 2 + 1
    on (the first is 0), so that each has at least half a chunk before it.
    """
    import llama_cpp

    llm = llama_cpp.Llama(
        str(file), n_ctx=chunk, n_batch=chunk, logits_all=True, verbose=False, n_gpu_layers=0
    )
    ids = llm.tokenize(text.encode(), add_bos=False)
    total, counted, half = 0.0, 0, chunk // 2
    for start in range(0, len(ids) - chunk + 1, chunk):
        part = ids[start : start + chunk]
        llm.reset()
        llm.eval(part)
        logits = llm.scores[half : chunk - 1].astype(np.float64)  # what stands at i predicts i + 1
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        targets = part[half + 1 :]
        total += math.exp(-log_p[np.arange(len(targets)), targets].mean())
        counted += 1
    llm.close()
    return total / counted
