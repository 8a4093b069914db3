# caught by: citations
# fast
# patch: An answer without a mark is shown as if it were covered.


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
    citations = [
        {
            "number": number,
            "document": found[number - 1].document,
            "heading": found[number - 1].heading,
            "quote": quote(found[number - 1].text, text),
        }
        for number in numbers
    ]
    return {"question": question, "text": text, "citations": citations}
