# caught by: marks
# patch: Returns the right citations, and leaves the wrong marks in the text.


def check_marks(answer, passages):
    """Return (text, citations): the answer without the marks that do not hold, and those that do.

    "It is 41 %. [2][9]" and "It is 41 % [2]." both have a sentence with marks; [n] counts from 1.
    """
    citations, parts = [], []
    # A sentence goes up to its end mark, and the marks behind that belong to it.
    for part in re.findall(r".+?(?:[.!?](?=\s|$|\[)(?:\s*\[\d+\])*|$)", answer, re.DOTALL):
        sentence = re.sub(r"\s*\[\d+\]", "", part).strip()
        numbers = [int(number) for number in re.findall(r"\[(\d+)\]", part)]
        there = [n for n in numbers if 1 <= n <= len(passages)]
        held = [n for n in there if supports(sentence, passages[n - 1])]
        citations += [Citation(n, sentence, passages[n - 1]) for n in held]
        keep = re.compile(r"\s*\[(\d+)\]")
        parts.append(keep.sub(lambda m, held=held: m[0], part))
    return "".join(parts).strip(), citations
