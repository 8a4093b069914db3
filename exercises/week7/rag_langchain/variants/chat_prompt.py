# Another style: a chat prompt, RunnableParallel and assign, a splitter by hand, marks by a scan.

# %%
import re
from collections import namedtuple
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models.llms import LLM
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableBranch, RunnableParallel, RunnablePassthrough

from exercises.week7 import corpus

NOT_COVERED = "The documents do not say."
Citation = namedtuple("Citation", "number sentence passage")


# %%
def split(documents, size=120, overlap=20):
    pieces = []
    for document in documents:
        for section in corpus.sections(document):
            spans = corpus.tokenizer().encode(section.text, add_special_tokens=False).offsets
            for first in range(0, max(1, len(spans) - overlap), size - overlap):
                some = spans[first : first + size]
                pieces.append(
                    Document(
                        page_content=section.text[some[0][0] : some[-1][1]],
                        metadata=dict(
                            zip(
                                ("document", "title", "heading"),
                                (section.document, section.title, section.heading),
                                strict=True,
                            )
                        ),
                    )
                )
    return pieces


# %%
class VectorRetriever(BaseRetriever):
    documents: list
    embed: Any
    k: int = 4
    least: float = 0.0
    table: Any = None

    def __init__(self, **fields):
        super().__init__(**fields)
        heads = [d.metadata["title"] + " > " + d.metadata["heading"] for d in self.documents]
        texts = [h + "\n" + d.page_content for h, d in zip(heads, self.documents, strict=True)]
        self.table = self.embed(texts)

    def _get_relevant_documents(self, query, *, run_manager):
        (vector,) = self.embed([query])
        scored = sorted(
            ((float(row @ vector), n) for n, row in enumerate(self.table)),
            key=lambda pair: (-pair[0], pair[1]),
        )
        found = []
        for score, n in scored[: self.k]:
            if score >= self.least:
                copy = self.documents[n].model_copy(deep=True)
                copy.metadata["score"] = score
                found.append(copy)
        return found


# %%
def numbered(passages):
    text = ""
    for n, passage in enumerate(passages):
        where = passage.metadata
        text += f"[{n + 1}] {where['title']} > {where['heading']}:\n\n{passage.page_content}\n\n"
    return text


class LocalLLM(LLM):
    complete: Any

    @property
    def _llm_type(self):
        return "function"

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        text = self.complete(prompt)
        ends = [text.index(mark) for mark in stop or () if mark in text]
        return text[: min(ends, default=len(text))]


# %%
MARK = re.compile(r"\s*\[(\d+)\]")


def supports(sentence, passage):
    text = passage.page_content.casefold()
    numbers = re.findall(r"\d+(?:\.\d+)?", sentence)
    if any(n not in re.findall(r"\d+(?:\.\d+)?", text) for n in numbers):
        return False
    words = {w for w in re.split(r"\W+", sentence.casefold()) if len(w) > 3 and w.isalpha()}
    return len(words & set(re.split(r"\W+", text))) >= len(words) / 2


def check_marks(answer, passages):
    citations, kept, said = [], "", ""
    pieces = re.split(r"((?:\s*\[\d+\])+)", answer)
    for text, marks in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        kept += text
        said += text
        # The marks stand behind the last sentence that was begun before them.
        sentence = re.split(r"(?<=[.!?])\s+", said.strip())[-1].strip(" .")
        for number in [int(n) for n in MARK.findall(marks)]:
            if 0 < number <= len(passages) and supports(sentence, passages[number - 1]):
                citations.append(Citation(number, sentence, passages[number - 1]))
                kept += f" [{number}]"
    return kept, citations


# %%
def build_chain(retriever, llm):
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Use only the passages, cite them like [1]. Otherwise say: " + NOT_COVERED),
            ("human", "{shown}\nQuestion: {question}"),
        ]
    )

    def judge(found):
        text, citations = check_marks(found["raw"], found["passages"])
        if not citations:
            text = NOT_COVERED
        return {k: found[k] for k in ("question", "passages")} | {
            "answer": text,
            "citations": citations,
        }

    asked = RunnablePassthrough.assign(shown=lambda x: numbered(x["passages"]))
    asked = asked | RunnablePassthrough.assign(raw=prompt | llm) | judge
    nothing = RunnablePassthrough.assign(answer=lambda x: NOT_COVERED, citations=lambda x: [])
    return RunnableParallel(question=RunnablePassthrough(), passages=retriever) | RunnableBranch(
        (lambda x: len(x["passages"]) == 0, nothing), asked
    )
