# caught by: citations
# fast
# patch: The two nearest passages are taken, however far they are.


def search(question, passages, k=2):
    """Return the up to k passages nearest to the question, best first; none whose cosine is below
    CUTOFF. Title and heading are embedded with the text (corpus.embed)."""
    texts = [f"{p.title} > {p.heading}\n{p.text}" for p in passages]
    scores = corpus.embed(texts) @ corpus.embed([question])[0]
    best = sorted(range(len(passages)), key=lambda n: -scores[n])[:k]
    return [passages[n] for n in best]
