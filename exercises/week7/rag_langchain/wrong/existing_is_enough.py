# caught by: marks
# patch: A mark counts as soon as its passage exists.


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
        held = there
        citations += [Citation(n, sentence, passages[n - 1]) for n in held]
        keep = re.compile(r"\s*\[(\d+)\]")
        parts.append(keep.sub(lambda m, held=held: m[0] if int(m[1]) in held else "", part))
    return "".join(parts).strip(), citations
