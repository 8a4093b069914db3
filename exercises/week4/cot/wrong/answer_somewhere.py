# caught by: exact_match
# patch: Right if the answer occurs anywhere in the text.


def is_right(problem: Problem, text: str) -> bool:
    """Exact match; what cannot be parsed is wrong."""
    if isinstance(problem.answer, str):
        return extract_yes_no(text) == problem.answer
    return str(problem.answer) in text
