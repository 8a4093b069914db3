# caught by: prompt
# patch: Names the tools, but not what they take.


def build_prompt(question: str, tools: Tools) -> str:
    """Return the text before the first turn; its last line is "Question: ..."."""
    described = "\n".join(f"- {name}: {inspect.getdoc(tool)}" for name, tool in tools.items())
    return f"{FORM}\nTools:\n{described}\n\nQuestion: {question}\n"
