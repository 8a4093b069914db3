"""Criteria of week7/rag_llamaindex: scripted models for the control flow, real vectors and real
questions for the search."""

from __future__ import annotations

import asyncio
import re

import numpy as np
from llama_index.core.schema import MetadataMode, TextNode

from exercises.gap import call
from exercises.week7 import corpus
from exercises.week7.embedder import Embedder
from exercises.week7.reader import read
from tutor.base.i18n import say

UNITS = ("week5", "week7")
QUESTION = "How many passengers does the Comet carry?"


class Script:
    """A model's function: gives the answer in pieces, and remembers the prompts."""

    def __init__(self, answer):
        self.answer, self.prompts = answer, []

    def __call__(self, prompt):
        self.prompts.append(prompt)
        text = self.answer(prompt) if callable(self.answer) else self.answer
        return (text[n : n + 7] for n in range(0, len(text), 7))


def shelf():
    texts = (
        ("1. Ferries", "The Heron carries 48 passengers and crosses the lake in 25 minutes."),
        ("2. Tickets", "Tickets are sold on board; children below six travel free."),
        ("3. Winter", "In winter the ferry rests, and the harbour freezes over."),
        ("1. Ferries", "The Comet is older, carries 64 passengers, and burns diesel."),
        ("2. Tickets", "Bicycles cost two coins, dogs cost one coin."),
    )
    return [
        TextNode(text=text, id_=f"node{n}", excluded_embed_metadata_keys=["document"],
                 excluded_llm_metadata_keys=["document"],
                 metadata={"document": "ferries.en", "title": "The lake", "heading": heading})
        for n, (heading, text) in enumerate(texts)
    ]  # fmt: skip


def lessons():
    return [d for d in corpus.documents("en") if d.unit in UNITS]


# --- the pieces ----------------------------------------------------------------------------------


def test_embedding(run):
    embed = Embedder()
    model = run("MiniLM", encode=embed)
    texts = ["alpha scales the update", "a rank of eight", "the base is frozen"]
    wanted = Embedder()(texts)
    got = {
        "get_text_embedding": [call("embedding", model.get_text_embedding, t) for t in texts],
        "get_query_embedding": [call("embedding", model.get_query_embedding, t) for t in texts],
        "aget_query_embedding": [
            asyncio.run(call("embedding", model.aget_query_embedding, t)) for t in texts
        ],
    }
    embed.calls.clear()
    got["get_text_embedding_batch"] = call("embedding", model.get_text_embedding_batch, texts)
    sizes = [len(some) for some in embed.calls]
    for name, rows in got.items():
        assert np.allclose(np.array(rows), wanted, atol=1e-5), say(
            f"{name} does not give what encode gives", f"{name} 的结果与 encode 的不一致"
        )
        assert isinstance(rows[0], list) and isinstance(rows[0][0], float), say(
            f"{name} gives {type(rows[0]).__name__} of {type(rows[0][0]).__name__}; LlamaIndex "
            "stores lists of float",
            f"{name} 返回的是 {type(rows[0]).__name__}（元素 {type(rows[0][0]).__name__}）；"
            "LlamaIndex 存的是 float 列表",
        )
    assert sizes == [3], say(
        f"a batch of three texts called encode with {sizes} texts: one call can take them all",
        f"一批三个文本，encode 各次收到 {sizes} 个：应一次全部交给它",
    )


def test_nodes(run, figures):
    size = 110
    nodes = list(run("make_nodes", lessons(), size, 15))
    figures["nodes"] = len(nodes)
    sections = {(s.document, s.heading): s for d in lessons() for s in corpus.sections(d)}
    for n, node in enumerate(nodes):
        text = node.get_content(metadata_mode=MetadataMode.NONE)
        where = (node.metadata.get("document"), node.metadata.get("heading"))
        section = sections.get(where)
        assert section and node.metadata.get("title") == section.title, say(
            f"the metadata of node {n} is {node.metadata}: no section has this document, title and "
            "heading",
            f"第 {n} 个节点的元数据是 {node.metadata}：没有哪一节对应这样的 document、title 和 heading",
        )
        tokens = corpus.count_tokens(text)
        assert tokens <= size and text.strip() in section.text, say(
            f"node {n} has {tokens} tokens of the encoder (the most is {size}) and begins "
            f"{text[:40]!r}: it must be a piece of {where[1]!r}",
            f"第 {n} 个节点有 {tokens} 个编码器 token（上限 {size}），开头是 {text[:40]!r}："
            f"它应是 {where[1]!r} 的原文片段",
        )
        for mode, name in ((MetadataMode.EMBED, "EMBED"), (MetadataMode.LLM, "LLM")):
            seen = node.get_content(metadata_mode=mode)
            shown = section.title in seen and section.heading in seen
            assert shown and section.document not in seen, say(
                f"what is seen of node {n} in mode {name} begins {seen[:90]!r}: title and heading "
                "belong there, the document's id does not",
                f"第 {n} 个节点在 {name} 模式下的内容开头是 {seen[:90]!r}：应有标题和小节名，"
                "不应有文档 id",
            )
    for where, section in sections.items():
        mine = " ".join(n.text for n in nodes
                        if (n.metadata["document"], n.metadata["heading"]) == where)  # fmt: skip
        words = set(section.text.split())
        lost = [word for word in words if word not in mine]
        assert len(lost) <= 0.05 * len(words), say(
            f"{len(lost)} words of {where} stand in no node, {lost[:3]} among them",
            f"{where} 中有 {len(lost)} 个词不在任何节点里，例如 {lost[:3]}",
        )


def test_index(run):
    embed = Embedder()
    index = run("build_index", shelf(), embed)
    texts = [node.get_content(metadata_mode=MetadataMode.EMBED) for node in shelf()]
    scores = Embedder()(texts) @ Embedder()([QUESTION])[0]
    wanted = [f"node{n}" for n in np.argsort(-scores)[:3]]
    found = call("index", index.as_retriever(similarity_top_k=3).retrieve, QUESTION)
    got = [hit.node.node_id for hit in found]
    assert got == wanted, say(
        f"the index finds {got}; by the cosine of what MetadataMode.EMBED shows it is {wanted}",
        f"索引找到 {got}；按 MetadataMode.EMBED 内容的余弦应为 {wanted}",
    )
    asked = [text for some in embed.calls for text in some]
    assert sorted(asked) == sorted([*texts, QUESTION]), say(
        f"for {len(texts)} nodes and one question encode saw {len(asked)} texts",
        f"{len(texts)} 个节点、一个问题，encode 却收到 {len(asked)} 个文本",
    )


def test_model(run):
    script = Script("The Comet carries 64 passengers [1].")
    model = run("LocalLLM", generate=script, context=1234, most_tokens=55)
    whole = call("model", model.complete, "How many?").text
    assert whole == script.answer, say(
        f"complete gives {whole!r}; the pieces together are {script.answer!r}",
        f"complete 得到 {whole!r}；各片段连起来是 {script.answer!r}",
    )
    steps = list(call("model", model.stream_complete, "How many?"))
    deltas = [step.delta for step in steps]
    wanted = list(Script(script.answer)(""))
    assert deltas == wanted, say(
        f"stream_complete gives the deltas {deltas}; the pieces are {wanted}",
        f"stream_complete 的 delta 是 {deltas}；片段是 {wanted}",
    )
    texts = [step.text for step in steps]
    assert texts == ["".join(wanted[: n + 1]) for n in range(len(wanted))], say(
        f"text of each step must be all so far; it is {texts[:3]} ...",
        f"每一步的 text 应是到目前为止的全部文字；现在是 {texts[:3]}…",
    )
    window = (model.metadata.context_window, model.metadata.num_output)
    assert window == (1234, 55), say(
        f"context_window and num_output are {window}; the model has 1234 and 55: LlamaIndex "
        "packs prompts by them",
        f"context_window 和 num_output 是 {window}；模型是 1234 和 55：LlamaIndex 按它们装填提示",
    )


# --- the engine ----------------------------------------------------------------------------------


def engine(run, answer, k=3, cutoff=0.0):
    script = Script(answer)
    index = run("build_index", shelf(), Embedder())
    model = run("LocalLLM", generate=script)
    return run("build_engine", index, model, k=k, cutoff=cutoff), script


def test_prompt(run, submission):
    made, script = engine(run, "64 passengers [1].")
    response = call("prompt", made.query, QUESTION)
    assert len(script.prompts) == 1, say(
        f"one question called the model {len(script.prompts)} times",
        f"一个问题调用了模型 {len(script.prompts)} 次",
    )
    prompt, at = script.prompts[0], -1
    for n, hit in enumerate(response.source_nodes, 1):
        mark = re.search(rf"^(?:\w+: ?)?(?:\[{n}\]|Source {n}:)", prompt, re.MULTILINE)
        body = prompt.find(hit.node.text, at + 1)
        assert mark and at < mark.start() < body, say(
            f"source {n} of the response ({hit.node.text[:40]!r}) does not stand in the prompt, in "
            f"order, below a line that begins '[{n}]' or 'Source {n}:'",
            f"提示中没有按次序在以 '[{n}]' 或 'Source {n}:' 开头的行下面给出回答的第 {n} 个来源"
            f"（{hit.node.text[:40]!r}）",
        )
        heading = prompt[mark.start() : body]
        assert hit.node.metadata["heading"] in heading, say(
            f"between the number {n} and its text stands {heading!r}: the heading is missing",
            f"编号 {n} 与正文之间是 {heading!r}：缺少小节名",
        )
        at = body
    where = re.search(rf"^(?:Question|Query): {re.escape(QUESTION)}", prompt, re.MULTILINE)
    assert where and where.start() > at, say(
        f"no line 'Question: ...' comes after the sources; the prompt ends in {prompt[-60:]!r}",
        f"来源之后没有 “Question: …” 一行；提示的结尾是 {prompt[-60:]!r}",
    )
    assert submission.NOT_COVERED in prompt, say(
        f"the prompt never says what to write where the sources hold no answer: "
        f"{submission.NOT_COVERED!r}",
        f"提示没有说明来源中没有答案时该写什么：{submission.NOT_COVERED!r}",
    )


def test_response(run, figures):
    texts = [node.get_content(metadata_mode=MetadataMode.EMBED) for node in shelf()]
    scores = Embedder()(texts) @ Embedder()([QUESTION])[0]
    for answer, wanted, k in (
        ("It carries 64 passengers [1]. Tickets are sold on board [2][7].", [1, 2], 3),
        ("It carries 64 passengers [3]. The other one carries 48 [0].", [], 2),
        ("Both [2]. One [1]. Again [2]. None [5].", [2, 1, 2], 4),
    ):
        made, _ = engine(run, answer, k)
        response = call("response", made.query, QUESTION)
        order = [hit.node.node_id for hit in response.source_nodes]
        best = [f"node{n}" for n in np.argsort(-scores)[:k]]
        assert order == best, say(
            f"source_nodes are {order}; the {k} best are {best}",
            f"source_nodes 是 {order}；最好的 {k} 个是 {best}",
        )
        got = list((response.metadata or {}).get("citations", ["absent"]))
        figures[f"citations_of_{k}"] = len(got)
        assert got == wanted, say(
            f"{answer!r} over {k} sources: metadata['citations'] is {got}, and must be {wanted}",
            f"{k} 个来源、回答为 {answer!r}：metadata['citations'] 是 {got}，应为 {wanted}",
        )
        left = [int(n) for n in re.findall(r"\[(\d+)\]", response.response)]
        assert left == wanted, say(
            f"the answer {response.response!r} has the marks {left}; sources that exist: {wanted}",
            f"回答 {response.response!r} 中的标记是 {left}；来源存在的只有 {wanted}",
        )


def test_refuses(run, submission):
    for cutoff, answer, calls in ((0.99, "The Comet carries 64 passengers [1].", 0),
                                  (0.0, "The Comet carries 64 passengers [8].", 1),
                                  (0.0, "The Comet carries many.", 1)):  # fmt: skip
        made, script = engine(run, answer, 3, cutoff)
        response = call("refuses", made.query, QUESTION)
        hits = len(response.source_nodes)
        assert len(script.prompts) == calls, say(
            f"with a cutoff of {cutoff} {hits} sources are left, and the model was called "
            f"{len(script.prompts)} times, not {calls}",
            f"阈值 {cutoff} 时剩下 {hits} 个来源，模型被调用了 {len(script.prompts)} 次，应为 {calls} 次",
        )
        got = (response.response, list((response.metadata or {}).get("citations", ["absent"])))
        assert got == (submission.NOT_COVERED, []), say(
            f"the model says {answer!r} over {hits} sources: answer and citations are {got}, and "
            f"must be {(submission.NOT_COVERED, [])}",
            f"模型面对 {hits} 个来源说 {answer!r}：回答和引用是 {got}，"
            f"应为 {(submission.NOT_COVERED, [])}",
        )


# --- real questions ------------------------------------------------------------------------------


def answers(hit, question):
    where = hit.node.metadata
    return (where["document"], where["heading"]) == (question.document, question.heading)


def real(run):
    questions = [q for q in corpus.questions("en") if q.document.split(".")[0] in UNITS]
    return questions, run("build_index", run("make_nodes", lessons(), 120, 20), corpus.embed)


def test_hit_rate(run, figures):
    questions, index = real(run)
    retriever = index.as_retriever(similarity_top_k=5)
    hits = [any(answers(h, q) for h in retriever.retrieve(q.text)) for q in questions]
    figures |= {"questions": len(hits), "hit_at_5": float(np.mean(hits))}
    missed = [q.text for q, hit in zip(questions, hits, strict=True) if not hit]
    assert np.mean(hits) >= 0.65, say(
        f"{sum(hits)} of {len(hits)} questions find the right section among 5 nodes; 65 % are "
        f"asked for. Not found: {missed[:2]}",
        f"{len(hits)} 个问题中有 {sum(hits)} 个在 5 个节点里找到正确的小节；要求 65 %。"
        f"没找到的如：{missed[:2]}",
    )


def test_cited_answers(run, submission, figures):
    questions, index = real(run)
    model = run("LocalLLM", generate=lambda prompt: [read(prompt)])
    made = run("build_engine", index, model, k=5, cutoff=0.25)
    right = 0
    for question in questions:
        response = call("cited_answers", made.query, question.text)
        cited = [response.source_nodes[n - 1] for n in response.metadata["citations"]]
        right += any(answers(hit, question) for hit in cited)
    refused = sum(
        made.query(text).response == submission.NOT_COVERED for text in corpus.uncovered()
    )
    asked = len(corpus.uncovered())
    figures |= {"cited_right": right / len(questions), "refused": refused / asked}
    assert right >= 0.4 * len(questions), say(
        f"{right} of {len(questions)} answers cite the section that answers; 40 % are asked for",
        f"{len(questions)} 个回答中有 {right} 个引用了正确的小节；要求 40 %",
    )
    assert refused >= asked - 1, say(
        f"{refused} of {asked} questions that no lesson answers are refused",
        f"课文没有答案的 {asked} 个问题，只拒答了 {refused} 个",
    )
