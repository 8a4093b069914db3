"""Criteria of week7/chroma: what is in the store is read with a client of the grader's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exercises.week7 import corpus
from exercises.week7.embedder import Embedder
from tutor.base.i18n import say

LONG = "The old ferry burns diesel and smells of it on every crossing of the lake. " * 8


def document(name, unit, lang, *sections):
    text = f"# The {name}\n\n" + "\n\n".join(f"## {h}\n\n{body}" for h, body in sections)
    return corpus.Document(f"{name}.{lang}", unit, lang, f"The {name}", text + "\n")


def shelf():
    ferry = ("1. Ferries", f"The Heron carries 48 passengers.\n\n{LONG}\n\nThe Comet carries 64.")
    same = ("2. Tickets", "Tickets are sold on board.")
    return [
        document("lake", "week1", "en", ferry, same, ("3. Winter", "The harbour freezes over.")),
        document("river", "week2", "en", same, ("4. Bridges", "Nine bridges cross the river.")),
        document("lake", "week1", "zh", ("1. 渡船", "Heron 48 passengers 渡船"), same),
        document("river", "week2", "zh", ("4. 桥", "Nine bridges 九座桥")),
    ]


def passages(submission, documents):
    """What must be in the store: (document, heading, text), sorted."""
    return sorted((d.id, heading, text) for d in documents
                  for heading, text in submission.passages_of(d))  # fmt: skip


def content(collection):
    got = collection.get(include=["metadatas", "documents"])
    return sorted((m["document"], m["heading"], text)
                  for m, text in zip(got["metadatas"], got["documents"], strict=True))  # fmt: skip


@pytest.fixture
def filled(run, tmp_path):
    """A store with the shelf in it, and the embedder that filled it."""

    def filled(documents=None):
        store, embed = run("open_store", tmp_path / "store"), Embedder()
        done = run("sync", store, shelf() if documents is None else documents, embed)
        return store, embed, done

    return filled


def forget():
    """Close what this process has open, as the end of the process would."""
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient.clear_system_cache()


# --- the store -----------------------------------------------------------------------------------


def test_opened(run, tmp_path):
    store = run("open_store", tmp_path / "store")
    settings = store.configuration or {}
    space = (settings.get("hnsw") or {}).get("space")
    assert space == "cosine", say(
        f"the collection compares by {space!r}, not by 'cosine'",
        f"collection 的比较方式是 {space!r}，不是 'cosine'",
    )
    files = sorted(path.name for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert files, say(
        f"nothing was written to the folder: the store lives in memory ({store.name!r})",
        f"文件夹里什么都没有：库只在内存里（{store.name!r}）",
    )
    own = settings.get("embedding_function")  # a query would let it download its model
    assert own is None, say(
        f"the collection embeds texts by itself, with {type(own).__name__}: another model",
        f"collection 会自己嵌入文本，用的是 {type(own).__name__}：另一个模型",
    )
    again = run("open_store", tmp_path / "store")
    assert again.id == store.id, say(
        "opened a second time it is another collection", "第二次打开得到的是另一个 collection"
    )


def test_encoder_named(run, tmp_path):
    run("open_store", tmp_path / "store", "minilm")
    run("open_store", tmp_path / "store", "minilm")
    try:
        store = run("open_store", tmp_path / "store", "bert-base")
    except ValueError as error:
        text = str(error)
        assert "minilm" in text, say(
            f"the refusal is {text!r}: it must name the encoder that made the store, 'minilm'",
            f"报错是 {text!r}：应说出建库的编码器 'minilm'",
        )
    else:
        pytest.fail(say(
            f"a store made with 'minilm' opens for 'bert-base' (metadata {store.metadata})",
            f"用 'minilm' 建的库，用 'bert-base' 也能打开（metadata 是 {store.metadata}）",
        ))  # fmt: skip


def test_stored(filled, submission, figures):
    store, embed, done = filled()
    wanted, got = passages(submission, shelf()), content(store)
    figures["passages"] = len(got)
    assert len(got) == len(wanted), say(
        f"the {len(shelf())} documents have {len(wanted)} passages; the store holds {len(got)}",
        f"{len(shelf())} 个文档共有 {len(wanted)} 个段落；库里有 {len(got)} 个",
    )
    assert got == wanted, say(
        f"the store holds {sorted(set(got) - set(wanted))[:1]} in place of "
        f"{sorted(set(wanted) - set(got))[:1]}",
        f"库里是 {sorted(set(got) - set(wanted))[:1]}，应为 {sorted(set(wanted) - set(got))[:1]}",
    )
    assert dict(done) == {"added": 4, "updated": 0, "removed": 0, "unchanged": 0}, say(
        f"the first sync of four documents reports {done}", f"四个文档第一次 sync 报告的是 {done}"
    )
    titles = {d.id: d.title for d in shelf()}
    texts = {(d, h, t): f"{titles[d]} > {h}\n{t}" for d, h, t in wanted}
    assert sorted(embed.texts) == sorted(texts[key] for key in wanted), say(
        f"embed saw {embed.texts[:1]} first; every passage's 'title > heading' and text, once "
        "each, is asked for",
        f"embed 收到的第一个文本是 {embed.texts[:1]}；应把每个段落的“标题 > 小节名”加正文各送一次",
    )
    rows = store.get(include=["metadatas", "documents", "embeddings"])
    for m, text, vector in zip(rows["metadatas"], rows["documents"], rows["embeddings"],
                               strict=True):  # fmt: skip
        right = Embedder()([texts[m["document"], m["heading"], text]])[0]
        assert np.allclose(vector, right, atol=1e-3), say(
            f"the vector stored with {text[:40]!r} is another text's",
            f"与 {text[:40]!r} 存在一起的向量是别的文本的",
        )


def test_unchanged(run, filled):
    store, embed, _ = filled()
    embed.calls.clear()
    done = run("sync", store, shelf()[::-1], embed)
    assert not embed.texts, say(
        f"nothing has changed, and {len(embed.texts)} passages were embedded again",
        f"什么都没变，却重新嵌入了 {len(embed.texts)} 个段落",
    )
    assert dict(done) == {"added": 0, "updated": 0, "removed": 0, "unchanged": 4}, say(
        f"a second sync of the same four documents reports {done}",
        f"同样四个文档第二次 sync 报告的是 {done}",
    )


def test_updated(run, filled, submission):
    store, embed, _ = filled()
    first, second, third, _ = shelf()
    shorter = replace(first, text="# The lake\n\n## 3. Winter\n\nThe harbour stays open now.\n")
    new = document("sea", "week3", "en", ("1. Tides", "The tide turns twice a day."))
    embed.calls.clear()
    wished = [second, new, shorter, third]
    done = run("sync", store, wished, embed)
    got, wanted = content(store), passages(submission, wished)
    assert got == wanted, say(
        f"after the change the store holds {len(got)} passages, not {len(wanted)}; too many: "
        f"{[(d, t[:30]) for d, _, t in sorted(set(got) - set(wanted))][:2]}, missing: "
        f"{[(d, t[:30]) for d, _, t in sorted(set(wanted) - set(got))][:2]}",
        f"改动后库里有 {len(got)} 个段落，应为 {len(wanted)} 个；多余的："
        f"{[(d, t[:30]) for d, _, t in sorted(set(got) - set(wanted))][:2]}，缺少的："
        f"{[(d, t[:30]) for d, _, t in sorted(set(wanted) - set(got))][:2]}",
    )
    count = len(passages(submission, [shorter, new]))
    assert len(embed.texts) == count, say(
        f"one document changed and one is new, {count} passages in all; {len(embed.texts)} were "
        "embedded",
        f"一个文档变了、一个是新的，共 {count} 个段落；却嵌入了 {len(embed.texts)} 个",
    )
    assert dict(done) == {"added": 1, "updated": 1, "removed": 1, "unchanged": 2}, say(
        f"one new, one changed, one gone, two as before; sync reports {done}",
        f"一新、一改、一删、两个不变；sync 报告的是 {done}",
    )
    run("sync", store, [], embed)
    assert store.count() == 0, say(
        f"after sync with no documents {store.count()} passages are left",
        f"用空列表 sync 之后还剩 {store.count()} 个段落",
    )


def test_removed(run, filled, submission):
    store, _, _ = filled()
    first = shelf()[0]
    count = len(submission.passages_of(first))
    got = [run("remove", store, name) for name in (first.id, first.id, "desert.en")]
    assert got == [count, 0, 0], say(
        f"{first.id} has {count} passages: remove returns {got[0]}, then {got[1]}, and {got[2]} "
        "for a document that was never there",
        f"{first.id} 有 {count} 个段落：remove 返回 {got[0]}，再删一次返回 {got[1]}，"
        f"删从未存过的文档返回 {got[2]}",
    )
    wanted = passages(submission, shelf()[1:])
    assert content(store) == wanted, say(
        f"after it the store holds {store.count()} passages, and {len(wanted)} of other documents "
        "should be left",
        f"之后库里有 {store.count()} 个段落，应只剩其他文档的 {len(wanted)} 个",
    )


def test_reopened(run, filled, tmp_path, submission):
    store, _, _ = filled()
    before = [(h.document, h.text) for h in run("search", store, Embedder(), "Nine bridges?", 1)]
    forget()
    embed = Embedder()
    again = run("open_store", tmp_path / "store")
    wanted = len(passages(submission, shelf()))
    assert again.count() == wanted, say(
        f"after a restart the store holds {again.count()} of {wanted} passages",
        f"重启之后库里有 {again.count()} 个段落，应有 {wanted} 个",
    )
    after = [(h.document, h.text) for h in run("search", again, embed, "Nine bridges?", 1)]
    assert after == before and embed.texts == ["Nine bridges?"], say(
        f"after a restart the same question finds {after} (before: {before}), and embed saw "
        f"{embed.texts}: nothing but the question is asked for",
        f"重启之后同一个问题找到 {after}（之前是 {before}），embed 收到的是 "
        f"{embed.texts}：应该只有问题本身",
    )


# --- search --------------------------------------------------------------------------------------


def test_searched(run, filled, submission):
    store, _, _ = filled()
    question = "How many passengers does the Heron carry?"
    by_id = {d.id: d for d in shelf()}
    asked = Embedder()([question])[0]
    for k, lang, unit in ((3, None, None), (2, "zh", None), (4, None, "week2"), (2, "en", "week1"),
                          (50, "en", None), (3, "en", "week9")):  # fmt: skip
        known = [(d, h, t) for d, h, t in passages(submission, shelf())
                 if lang in (None, by_id[d].lang) and unit in (None, by_id[d].unit)]  # fmt: skip
        wanted = Embedder()([f"{by_id[d].title} > {h}\n{t}" for d, h, t in known]) @ asked
        wanted = sorted(wanted.tolist(), reverse=True)[:k]
        got = run("search", store, Embedder(), question, k, lang=lang, unit=unit)
        scores = [hit.score for hit in got]
        assert len(got) == len(wanted), say(
            f"k = {k}, lang = {lang}, unit = {unit}: {len(got)} hits; {len(known)} passages pass "
            f"the filter, so {len(wanted)} are expected",
            f"k = {k}、lang = {lang}、unit = {unit}：得到 {len(got)} 个结果；符合条件的段落有 "
            f"{len(known)} 个，应返回 {len(wanted)} 个",
        )
        assert np.allclose(scores, wanted, atol=1e-3), say(
            f"k = {k}, lang = {lang}, unit = {unit}: the scores are {np.round(scores, 3)}; the "
            f"cosines are {np.round(wanted, 3)}",
            f"k = {k}、lang = {lang}、unit = {unit}：分数是 {np.round(scores, 3)}；"
            f"余弦是 {np.round(wanted, 3)}",
        )
        foreign = [h for h in got if (h.document, h.heading, h.text) not in known]
        assert not foreign, say(
            f"lang = {lang}, unit = {unit}: {foreign[:1]} is no passage of these documents",
            f"lang = {lang}、unit = {unit}：{foreign[:1]} 不是这些文档的段落",
        )


def test_questions_found(run, filled, figures, tmp_path):
    lessons = [d for d in corpus.documents("en") if d.unit in ("week5", "week7")]
    known = {d.id for d in lessons}
    store = run("open_store", tmp_path / "real")
    run("sync", store, lessons, corpus.embed)
    questions = [q for q in corpus.questions("en") if q.document in known]
    found = [
        any((h.document, h.heading) == (q.document, q.heading)
            for h in run("search", store, corpus.embed, q.text, 5, lang="en"))
        for q in questions
    ]  # fmt: skip
    figures |= {"questions": len(found), "hit_at_5": float(np.mean(found))}
    missed = [q.text for q, hit in zip(questions, found, strict=True) if not hit]
    assert np.mean(found) >= 0.65, say(
        f"{sum(found)} of {len(found)} questions find the right section among 5 passages; 65 % are "
        f"asked for. Not found: {missed[:2]}",
        f"{len(found)} 个问题中有 {sum(found)} 个在 5 段里找到正确的小节；要求 65 %。没找到的如：{missed[:2]}",
    )
