# caught by: numbers
# patch: Takes the first number of the text: mostly one of the question's.


def extract_number(text: str) -> float | None:
    """Return the number that the text gives as its answer, or None.

    After the last "the answer is" the first number counts, else the last of the text. Thousands
    have commas (1,234), a minus is "-" or "−", a currency sign or a unit does not matter.
    """
    text = own_answer(text)
    *_, tail = MARK.split(text)
    found = NUMBER.findall(tail)
    if found and tail != text:
        return to_number(found[0])
    found = found or NUMBER.findall(text)
    return to_number(found[0]) if found else None
