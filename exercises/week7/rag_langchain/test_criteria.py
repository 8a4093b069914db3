"""Criteria of week7/rag_langchain: scripted models for the control flow, real vectors and real
questions for the search; every citation is checked again."""

from __future__ import annotations

import re

import numpy as np
from langchain_core.documents import Document
from langchain_core.language_models.llms import LLM
from langchain_core.runnables import Runnable
from pydantic import Field

from exercises.gap import call
from exercises.week7 import corpus
from exercises.week7.embedder import Embedder
from exercises.week7.reader import read
from tutor.base.i18n import say

UNITS = ("week5", "week7")


class Scripted(LLM):
    """Says what `say` makes of the prompt, and remembers the prompts."""

    speak: object = Field(default=None)
    prompts: list = Field(default_factory=list)

    @property
    def _llm_type(self):
        return "scripted"

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        self.prompts.append(prompt)
        return self.speak(prompt)


def passage(text, heading="1. Ferries"):
    where = {"document": "ferries.en", "title": "The lake", "heading": heading}
    return Document(page_content=text, metadata=where)


SHELF = [
    passage("The Heron carries 48 passengers and crosses the lake in 25 minutes."),
    passage("Tickets are sold on board; children below six travel free.", "2. Tickets"),
    passage("In winter the ferry rests, and the harbour freezes over.", "3. Winter"),
    passage("The Comet is older, carries 64 passengers, and burns diesel."),
    passage("Bicycles cost two coins, dogs cost one coin.", "2. Tickets"),
]


def lessons():
    return [d for d in corpus.documents("en") if d.unit in UNITS]


# --- split and retrieve --------------------------------------------------------------------------


def test_split(run, figures):
    size = 90
    pieces = list(run("split", lessons(), size, 15))
    figures["pieces"] = len(pieces)
    sections = {(s.document, s.heading): s for d in lessons() for s in corpus.sections(d)}
    for n, piece in enumerate(pieces):
        tokens = corpus.count_tokens(piece.page_content)
        assert tokens <= size, say(
            f"piece {n} has {tokens} tokens of the encoder; the size is {size}",
            f"第 {n} 块有 {tokens} 个编码器 token；大小上限是 {size}",
        )
        where = (piece.metadata.get("document"), piece.metadata.get("heading"))
        section = sections.get(where)
        assert section and piece.metadata.get("title") == section.title, say(
            f"the metadata of piece {n} is {piece.metadata}: no section has this document, title "
            "and heading",
            f"第 {n} 块的元数据是 {piece.metadata}：没有哪一节对应这样的 document、title 和 heading",
        )
        assert piece.page_content.strip() in section.text, say(
            f"piece {n}, {piece.page_content[:50]!r} ..., is no piece of {where[1]!r}",
            f"第 {n} 块 {piece.page_content[:50]!r}… 不是 {where[1]!r} 的原文片段",
        )
    for where, section in sections.items():
        mine = " ".join(p.page_content for p in pieces
                        if (p.metadata["document"], p.metadata["heading"]) == where)  # fmt: skip
        lost = [w for w in set(section.text.split()) if w not in mine]
        assert len(lost) <= 0.03 * len(set(section.text.split())), say(
            f"{len(lost)} words of {where} stand in no piece, {lost[:3]} among them",
            f"{where} 中有 {len(lost)} 个词不在任何一块里，例如 {lost[:3]}",
        )


def test_retriever(run):
    embed = Embedder()
    retriever = run("VectorRetriever", documents=list(SHELF), embed=embed, k=3, least=0.1)
    question = "How many passengers does the Comet carry?"
    for _ in range(2):
        found = retriever.invoke(question)
    texts = [f"{d.metadata['title']} > {d.metadata['heading']}\n{d.page_content}" for d in SHELF]
    scores = Embedder()(texts) @ Embedder()([question])[0]
    wanted = [SHELF[n].page_content for n in np.argsort(-scores)[:3] if scores[n] >= 0.1]
    got = [d.page_content for d in found]
    assert got == wanted, say(
        f"for {question!r} the passages are {got}; by cosine of title, heading and text they are "
        f"{wanted}",
        f"{question!r} 检索到 {got}；按标题、小节名加正文的余弦应为 {wanted}",
    )
    sizes = [len(texts) for texts in embed.calls]
    assert sizes == [len(SHELF), 1, 1], say(
        f"{len(SHELF)} documents and two questions: embed was called with {sizes} texts; the "
        "documents' vectors are needed once",
        f"{len(SHELF)} 个文档、两个问题：embed 各次收到 {sizes} 个文本；文档向量只需算一次",
    )
    off = [d.metadata.get("score") for d in found]
    cosines = [round(float(score), 4) for score in sorted(scores)[::-1][: len(off)]]
    assert None not in off and np.allclose(off, cosines, atol=1e-3), say(
        f"metadata['score'] reads {off}; the cosines are {cosines}",
        f"metadata['score'] 是 {off}；余弦是 {cosines}",
    )
    assert all("score" not in d.metadata for d in SHELF), say(
        "the score was written into the shelf's own documents: the next question reads it",
        "分数写进了原来的文档：下一个问题会读到它",
    )
    strict = run("VectorRetriever", documents=list(SHELF), embed=Embedder(), k=3, least=0.99)
    assert strict.invoke(question) == [], say(
        f"no passage has a score of 0.99, and {len(strict.invoke(question))} come back",
        f"没有段落的分数达到 0.99，却返回了 {len(strict.invoke(question))} 个",
    )


# --- prompt and model ----------------------------------------------------------------------------


def pipeline(run, speak, least=0.0, k=3):
    model = Scripted(speak=speak)
    retriever = run("VectorRetriever", documents=list(SHELF), embed=Embedder(), k=k, least=least)
    return run("build_chain", retriever, model), model, retriever


def head(document, number):
    """Return the pattern of the line that stands above a passage in the prompt."""
    where = re.escape(f"{document.metadata['title']} > {document.metadata['heading']}")
    return rf"^(?:\w+: ?)?\[{number}\] ?{where}"


def test_prompt(run, submission):
    question = "How many passengers does the Comet carry?"
    chain, model, retriever = pipeline(run, lambda prompt: "64 passengers [1].")
    run_chain = call("prompt", chain.invoke, question)
    prompt, found = model.prompts[0], retriever.invoke(question)
    at = -1
    for n, document in enumerate(found, 1):
        shown = re.search(head(document, n), prompt, re.MULTILINE)
        body = prompt.find(document.page_content, at + 1)
        assert shown and at < shown.start() < body, say(
            f"passage {n} ({document.page_content[:40]!r}) does not stand in the prompt, in "
            f"order, below a line '[{n}] title > heading'",
            f"提示中没有按次序在 '[{n}] 标题 > 小节名' 一行下面给出第 {n} 段"
            f"（{document.page_content[:40]!r}）",
        )
        at = body
    assert f"[{len(found) + 1}]" not in prompt, say(
        f"{len(found)} passages were found, and the prompt has a [{len(found) + 1}]",
        f"只检索到 {len(found)} 段，提示里却有 [{len(found) + 1}]",
    )
    where = prompt.rfind(f"Question: {question}")
    assert where > at, say(
        f"the line 'Question: {question}' does not come after the passages; the prompt ends in "
        f"{prompt[-60:]!r}",
        f"“Question: {question}” 没有放在段落之后；提示的结尾是 {prompt[-60:]!r}",
    )
    assert submission.NOT_COVERED in prompt, say(
        f"the prompt never says what to write where the passages hold no answer: "
        f"{submission.NOT_COVERED!r}; the chain gave {run_chain.get('answer')!r}",
        f"提示没有说明段落中没有答案时该写什么：{submission.NOT_COVERED!r}；"
        f"链给出的是 {run_chain.get('answer')!r}",
    )


def test_model(run):
    text = "64 passengers [1].\nQuestion: And the Heron?\nObservation: none"
    asked = []

    def complete(prompt):
        asked.append(prompt)
        return text

    model = run("LocalLLM", complete=complete)
    for stop, wanted in ((None, text), (["\nQuestion:"], text.split("\nQ")[0]),
                         (["Observation", "And"], text.split("And")[0])):  # fmt: skip
        got = call("model", model.invoke, "How many?", stop=stop)
        assert got == wanted, say(
            f"with the stop strings {stop} the model says {got!r}; it must be {wanted!r}",
            f"停止串为 {stop} 时模型给出 {got!r}；应为 {wanted!r}",
        )
    assert asked == ["How many?"] * 3, say(
        f"the function was called with {asked}", f"函数收到的提示是 {asked}"
    )


# --- marks ---------------------------------------------------------------------------------------

MARKS = (
    ("The Heron carries 48 passengers [1].", [1]),
    ("The Heron carries 48 passengers. [1]", [1]),
    ("The Heron carries 64 passengers [1].", []),  # another number
    ("The Heron carries 48 passengers [7].", []),  # there is no seventh
    ("Dogs cost one coin [0].", []),  # passages[0 - 1] would say so
    ("Children below six travel free [2]. The harbour freezes over in winter [3].", [2, 3]),
    ("Children below six travel free [3]. The harbour freezes over in winter [2].", []),
    ("The ferry rests in winter [3][1][9].", [3]),
    ("Elephants migrate towards distant mountains [2].", []),
    ("The Heron carries 48 passengers.", []),
)


def test_marks(run):
    for answer, wanted in MARKS:
        text, citations = run("check_marks", answer, SHELF)
        got = [citation.number for citation in citations]
        assert got == wanted, say(
            f"in {answer!r} the marks that hold are {wanted}; yours: {got}",
            f"{answer!r} 中成立的标记是 {wanted}；你的结果是 {got}",
        )
        left = [int(n) for n in re.findall(r"\[(\d+)\]", text)]
        assert left == wanted, say(
            f"of {answer!r} the text keeps the marks {left}; those that hold are {wanted}",
            f"{answer!r} 处理后的文字里还留着标记 {left}；成立的只有 {wanted}",
        )
        plain = [" ".join(re.sub(r"\s*\[\d+\]", "", t).split()) for t in (answer, text)]
        assert plain[0] == plain[1], say(
            f"but for its marks the answer {plain[0]!r} must stay as it is; it became {plain[1]!r}",
            f"除标记外，回答 {plain[0]!r} 不应改变；现在成了 {plain[1]!r}",
        )
        for citation in citations:
            assert citation.passage == SHELF[citation.number - 1], say(
                f"citation [{citation.number}] of {answer!r} points at "
                f"{citation.passage.page_content[:40]!r}",
                f"{answer!r} 的引用 [{citation.number}] 指向了 "
                f"{citation.passage.page_content[:40]!r}",
            )


# --- the chain -----------------------------------------------------------------------------------


def test_chain(run):
    def speak(prompt):
        before = prompt.partition(SHELF[3].page_content)[0]
        numbers = re.findall(head(SHELF[3], r"(\d)"), before, re.MULTILINE)
        assert numbers, say(
            "the prompt has no line '[n] The lake > 1. Ferries' above the Comet's passage: "
            f"{prompt[:200]!r}",
            f"提示中 Comet 那段的上面没有 '[n] The lake > 1. Ferries' 一行：{prompt[:200]!r}",
        )
        comet = numbers[-1]
        return f"The Comet carries 64 passengers [{comet}]. It burns coal and peat [{comet}]."

    chain, model, retriever = pipeline(run, speak)
    assert isinstance(chain, Runnable), say(
        f"build_chain returns {type(chain).__name__}, no Runnable",
        f"build_chain 返回的是 {type(chain).__name__}，不是 Runnable",
    )
    question = "How many passengers does the Comet carry?"
    result = call("chain", chain.invoke, question)
    keys = {"question", "passages", "answer", "citations"}
    assert keys <= set(result), say(
        f"the result has {sorted(result)}, and lacks {sorted(keys - set(result))}",
        f"结果里有 {sorted(result)}，缺少 {sorted(keys - set(result))}",
    )
    shown = [d.page_content for d in result["passages"]]
    wanted = [d.page_content for d in retriever.invoke(question)]
    assert result["question"] == question and shown == wanted, say(
        f"question {result['question']!r} and passages {shown}: they must be what was asked and "
        f"what the retriever found, {wanted}",
        f"question 是 {result['question']!r}，passages 是 {shown}：应为所提的问题和检索到的 {wanted}",
    )
    cited = [(c.number, c.passage.page_content) for c in result["citations"]]
    assert [text for _, text in cited] == [SHELF[3].page_content], say(
        f"of two sentences one is supported by the Comet's passage; the citations are {cited}",
        f"两句话中只有一句得到 Comet 那段的支持；citations 是 {cited}",
    )
    assert len(re.findall(r"\[\d+\]", result["answer"])) == 1, say(
        f"the answer keeps a mark that does not hold: {result['answer']!r}",
        f"回答里还留着不成立的标记：{result['answer']!r}",
    )
    call("chain", chain.batch, ["Who carries 64 passengers, the Comet?", question])
    assert len(model.prompts) == 3, say(
        f"three questions called the model {len(model.prompts)} times",
        f"三个问题调用了模型 {len(model.prompts)} 次",
    )


def test_refuses(run, submission):
    for least, text, calls in ((0.99, "The Comet carries 64 passengers [1].", 0),
                               (0.0, "The Comet carries 99 passengers [1].", 1),
                               (0.0, "The Comet carries many passengers.", 1),
                               (0.0, submission.NOT_COVERED, 1)):  # fmt: skip
        chain, model, _ = pipeline(run, lambda prompt, text=text: text, least)
        result = call("refuses", chain.invoke, "How many passengers does the Comet carry?")
        assert len(model.prompts) == calls, say(
            f"with {len(result['passages'])} passages the model was asked {len(model.prompts)} "
            f"times, not {calls}",
            f"有 {len(result['passages'])} 个段落时，模型被调用了 {len(model.prompts)} 次，"
            f"应为 {calls} 次",
        )
        got = (result["answer"], len(result["citations"]))
        assert got == (submission.NOT_COVERED, 0), say(
            f"the model says {text!r} over {len(result['passages'])} passages: answer and number "
            f"of citations are {got}, and must be {(submission.NOT_COVERED, 0)}",
            f"模型面对 {len(result['passages'])} 个段落说 {text!r}：回答和引用数是 {got}，"
            f"应为 {(submission.NOT_COVERED, 0)}",
        )


# --- real questions ------------------------------------------------------------------------------


def real(run, least=0.0):
    questions = [q for q in corpus.questions("en") if q.document.split(".")[0] in UNITS]
    pieces = list(run("split", lessons(), 120, 20))
    return questions, run("VectorRetriever", documents=pieces, embed=corpus.embed, k=5, least=least)


def answers(document, question):
    same = document.metadata["document"] == question.document
    return same and document.metadata["heading"] == question.heading


def test_hit_rate(run, figures):
    questions, retriever = real(run)
    hits = [any(answers(d, q) for d in retriever.invoke(q.text)) for q in questions]
    figures |= {"questions": len(hits), "hit_at_5": float(np.mean(hits))}
    missed = [q.text for q, hit in zip(questions, hits, strict=True) if not hit]
    assert np.mean(hits) >= 0.65, say(
        f"{sum(hits)} of {len(hits)} questions find the right section among 5 passages; 65 % are "
        f"asked for. Not found: {missed[:2]}",
        f"{len(hits)} 个问题中有 {sum(hits)} 个在 5 段里找到正确的小节；要求 65 %。没找到的如：{missed[:2]}",
    )


def test_cited_answers(run, submission, figures):
    questions, retriever = real(run, 0.25)
    chain = run("build_chain", retriever, Scripted(speak=read))
    results = call("cited_answers", chain.batch, [q.text for q in questions])
    right = 0
    for question, result in zip(questions, results, strict=True):
        cited = [c.passage for c in result["citations"]]
        right += any(answers(document, question) for document in cited)
        for citation in result["citations"]:
            said = citation.sentence.strip(" .").lower()
            text = citation.passage.page_content.lower()
            words = set(re.findall(r"[a-z]{4,}", said))
            held = sum(word in text for word in words)
            assert words and 2 * held >= len(words), say(
                f"{question.text!r}: the mark [{citation.number}] stands behind {said[:60]!r}, "
                f"and its passage has {held} of {len(words)} longer words",
                f"{question.text!r}：标记 [{citation.number}] 跟在 {said[:60]!r} 之后，"
                f"它的段落只含其中 {held}/{len(words)} 个较长的词",
            )
    figures |= {"cited_right": right / len(questions)}
    unasked = call("cited_answers", chain.batch, list(corpus.uncovered()))
    refused = sum(r["answer"] == submission.NOT_COVERED for r in unasked)
    figures["refused"] = refused / len(unasked)
    assert right >= 0.4 * len(questions), say(
        f"{right} of {len(questions)} answers cite the section that answers; 40 % are asked for",
        f"{len(questions)} 个回答中有 {right} 个引用了正确的小节；要求 40 %",
    )
    assert refused >= len(unasked) - 1, say(
        f"{refused} of {len(unasked)} questions that no lesson answers are refused",
        f"课文没有答案的 {len(unasked)} 个问题，只拒答了 {refused} 个",
    )
