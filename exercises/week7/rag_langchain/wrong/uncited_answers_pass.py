# caught by: refuses
# patch: An answer without a mark that holds is given all the same.


def build_chain(retriever, llm):
    """Return a Runnable from a question (str) to a dict: question, passages, answer, citations.

    Without passages the model is not asked. An answer without a mark that holds becomes
    NOT_COVERED, with no citations.
    """
    gather = {"question": RunnablePassthrough(), "passages": retriever}
    ask = RunnableLambda(lambda x: {**x, "passages": numbered(x["passages"])}) | PROMPT | llm

    def answer(found, config):
        if not found["passages"]:
            return {**found, "answer": NOT_COVERED, "citations": []}
        text, citations = check_marks(ask.invoke(found, config), found["passages"])
        return {**found, "answer": text, "citations": citations}

    return gather | RunnableLambda(answer)
