# caught by: marks
# patch: Looks at words only: 64 passengers for 48.


def supports(sentence, passage):
    """Return whether the passage's page_content has every number of the sentence and, whatever
    their case, at least half of its different words of four letters and more."""
    text = passage.page_content.lower()
    known = set(re.findall(r"\w+", text))
    words = set(re.findall(r"[a-z_]{4,}", sentence.lower()))
    held = sum(word in known for word in words)
    return 2 * held >= len(words)
