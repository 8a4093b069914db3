# caught by: citations
# fast
# patch: Marks that name no passage stay in the text.


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
    text = said
    numbers = dict.fromkeys(
        int(number) for number in re.findall(r"\[(\d+)\]", text) if int(number) in there
    )
    if not numbers:
        return refused
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
