# caught by: citations
# fast
# patch: Mark n is looked up as found[n]: the next passage, or none.


def answer(question, passages, generate):
    """Return {"question", "text", "citations"}.

    A citation is {"number", "document", "heading", "quote"}: the mark's number, where the passage
    with this number in the prompt is from, and words of that passage, verbatim. A mark that names
    no passage is taken out of the text. Where nothing near was found (the model is not asked), or
    no mark is left, the text is NOT_COVERED and there are no citations.
    """
    found = search(question, passages)
    refused = {"question": question, "text": NOT_COVERED, "citations": []}
    if not found:
        return refused
    said = generate(build_prompt(question, [passage.text for passage in found])).strip()
    there = range(1, len(found) + 1)
    text = re.sub(r"\s*\[(\d+)\]", lambda mark: mark[0] if int(mark[1]) in there else "", said)
    numbers = dict.fromkeys(int(number) for number in re.findall(r"\[(\d+)\]", text))
    if not numbers:
        return refused
    citations = [
        {
            "number": number,
            "document": found[number % len(found)].document,
            "heading": found[number % len(found)].heading,
            "quote": quote(found[number % len(found)].text, text),
        }
        for number in numbers
    ]
    return {"question": question, "text": text, "citations": citations}
