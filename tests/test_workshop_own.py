"""`tutor model build-own`: its data, its losses, and a whole build that is killed on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tutor.base.errors import TutorError
from tutor.workshop.own import data, rejected, sentences
from tutor.workshop.own.journal import Journal
from tutor.workshop.own.material import REFUSAL, Candidate, Example, Rejected

ROOT = Path(__file__).parent.parent
UNITS = ("week5", "week8", "week3")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of three lessons in both languages."""
    from conftest import REAL_HOME

    from kb import sync
    from kb.store import open_store

    folder = tmp_path_factory.mktemp("index")
    (folder / "assets").symlink_to(REAL_HOME / "assets", target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUTOR_HOME", str(folder))
        store = open_store()
        for unit in UNITS:
            sync.add(store, ROOT / "curriculum" / "units" / unit)
        store.close()
    return folder / "kb.db"


@pytest.fixture
def practice(home: Path, minilm: Path, index: Path) -> Iterator[Any]:
    from kb import open_kb
    from tutor.agent.practice import Practice
    from tutor.base import settings

    shutil.copyfile(index, home / "kb.db")
    kb = open_kb()
    yield Practice(kb, settings.load())
    kb.close()


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("LoRA freezes the pretrained weights and trains two small matrices.", "What does LoRA freeze?"),
        ("The optimizer is a variant of Adam with decoupled decay.", "What is the optimizer?"),
        ("BERT was trained on English Wikipedia and books.", "What was BERT trained on?"),
        ("To load your model in four bits, pass a quantization config.",
         "How do I load my model in four bits?"),
        ("The KV cache is large because every layer keeps its keys.", "Why is the KV cache large?"),
    ],
)  # fmt: skip
def test_a_sentence_gives_the_question_that_it_answers(sentence: str, question: str) -> None:
    assert question in [asked for _, asked in sentences.questions(sentence, "en")]


def test_chinese_sentences_give_questions_too() -> None:
    asked = dict(sentences.questions("困惑度是指模型对文本的平均不确定程度的指数。", "zh"))
    assert asked == {"what": "困惑度是什么？"}


def test_only_sentences_that_stand_alone_are_answers() -> None:
    text = (
        "# Heading\n\nIt does this by adding two small matrices to each layer of it.\n\n"
        "```python\nmodel = load('This is no prose sentence at all, it is code.')\n```\n\n"
        "| a table | has cells with words that end in a stop. |\n\n"
        "- LoRA keeps the pretrained weights frozen during the whole training [3].\n"
    )
    told = ["LoRA keeps the pretrained weights frozen during the whole training."]
    assert sentences.telling(text, "en") == told


def test_every_chosen_answer_is_accepted_and_every_rejected_one_is_not(
    practice: Any, tmp_path: Path
) -> None:
    made = data.gather(practice, practice.kb, data.Size(40, ("en", "zh"), 9000), tmp_path)
    assert len(made) == 40
    refused = [one for one in made if one.kind == "unanswerable"]
    assert refused
    for one in made:
        scene = practice.scene(one.question, one.lang, one.passages)
        assert scene.write == one.write, "the prompt is the agent's own"
        fault = practice.judge(scene, one.answer)
        assert fault == ("refused" if one in refused else ""), one.answer
        for worse in one.rejected:
            assert practice.judge(scene, worse.text), worse
        if one in refused:
            assert one.answer == REFUSAL[one.lang]
        elif one.step and json.loads(one.step)["action"] == "answer":
            assert practice.valid(scene, one.step)
    assert {"sentence", "card"} & {_family(one.kind) for one in made}
    faults = {worse.how for one in made for worse in one.rejected}
    assert {"number", "distractor", "uncited", "long", "unsupported"} <= faults


def _family(kind: str) -> str:
    return kind if kind in ("card", "term", "section", "argument") else "sentence"


def test_the_data_are_the_same_again_and_go_on_after_a_kill(practice: Any, tmp_path: Path) -> None:
    size = data.Size(12, ("en",))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    made = data.gather(practice, practice.kb, size, whole)
    written = (whole / "gathered.jsonl").read_bytes().splitlines(keepends=True)
    (cut / "gathered.jsonl").write_bytes(b"".join(written[:5]) + written[5][:40])
    assert data.gather(practice, practice.kb, size, cut) == made
    assert (cut / "gathered.jsonl").read_bytes() == b"".join(written)
    first, again = data.write(whole, made), data.write(cut, made)
    assert first == again
    for name, listed in first.files.items():
        lines = (whole / name).read_text("utf-8").splitlines()
        assert len(lines) == listed["lines"]


def test_what_is_held_out_is_of_other_documents(tmp_path: Path, home: Path) -> None:
    made = [_example(f"document {n}", f"question {n} {m}") for n in range(60) for m in range(2)]
    _index_nothing()
    data.write(tmp_path, made)
    trained = {row["group"] for row in data.read(tmp_path, data.SFT)}
    held = {row["group"] for row in data.read(tmp_path, data.HELD_SFT)}
    assert held and trained and not held & trained
    asked = {row["question"] for row in data.read(tmp_path, data.DPO)}
    assert not asked & {row["question"] for row in data.read(tmp_path, data.HELD_DPO)}


def test_a_passage_may_hold_a_line_separator(tmp_path: Path, home: Path) -> None:
    made = [_example(f"document {n}", f"one\u2028two {n}") for n in range(3)]
    _index_nothing()
    data.write(tmp_path, made)
    rows = [row for name in (data.SFT, data.HELD_SFT) for row in data.read(tmp_path, name)]
    assert {row["question"] for row in rows} == {one.question for one in made}


def _index_nothing() -> None:
    from kb.store import open_store

    open_store().close()


def _example(group: str, question: str) -> Example:
    prompt = [{"role": "user", "content": question}]
    worse = (Rejected("uncited", "Yes."),)
    return Example("what", "en", question, group, prompt, "Yes [1].", rejected=worse)


def test_no_question_file_is_read(practice: Any, shared: Path) -> None:
    """Nothing asks for the questions, and none of them comes up."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tutor/workshop/own").glob("*.py"))
    assert not re.search(r"shared/|dev\.jsonl|read_questions", code)
    from itertools import islice

    from tutor.workshop.own.questions import candidates

    lines = (shared / "questions/dev.jsonl").read_text("utf-8").splitlines()
    known = {_plain(json.loads(line)["question"]) for line in lines}
    asked = {_plain(each.question) for each in islice(candidates(practice.kb, ("en", "zh")), 400)}
    assert len(asked) > 200 and not asked & known


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def test_an_unanswerable_question_is_asked_without_its_passage(practice: Any) -> None:
    found = practice.gather("What does LoRA freeze in the weights?", "en")
    answer = next(
        s for p in found.passages for s in sentences.telling(p.text, p.lang) if p.lang == "en"
    )
    bare = practice.bare(found, answer)
    assert practice.support(found, answer) is not None
    assert practice.support(bare, answer) is None
    candidate = Candidate("what", found.question, "en", (answer,), "week5")
    (made,) = data.prepare(practice, candidate, bare=True)
    assert made.kind == "unanswerable" and made.answer == REFUSAL["en"]
    assert answer[:-1] in made.rejected[0].text


def test_a_packed_sequence_says_what_separate_ones_say(tmp_path: Path) -> None:
    import tiny_models
    import torch

    from tutor.workshop.own.packed import Text, log_probabilities, pack

    model = tiny_models.build("llama")
    texts = [
        Text((5, 6, 7, 8, 9), (10, 11, 2)),
        Text((5, 6, 7, 20, 21, 22), (23, 2)),
        Text((5, 6, 7, 8, 9), (30, 2)),
    ]
    with torch.no_grad():
        together = pack(texts)
        said = log_probabilities(model, together)
        for number, text in enumerate(texts):
            alone = log_probabilities(model, pack([text]))
            torch.testing.assert_close(said[together.owner == number], alone)
            ids = torch.tensor([[*text.prompt, *text.target]])
            plain = torch.log_softmax(model(ids).logits[0], 1)
            places = range(len(text.prompt) - 1, ids.shape[1] - 1)
            own = torch.stack([plain[p, ids[0, p + 1]] for p in places])
            torch.testing.assert_close(alone, own)
    assert together.tokens < sum(len(t.prompt) + len(t.target) for t in texts)


def test_the_preference_loss_is_the_papers() -> None:
    import torch

    from tutor.workshop.own.train import BETA, margin

    own, reference = torch.tensor([-3.0, -5.0]), torch.tensor([-4.0, -4.5])
    # equation 7 of the DPO paper, written out
    by_hand = -torch.log(torch.sigmoid(BETA * ((-3.0 + 4.0) - torch.tensor(-5.0 + 4.5))))
    loss = -torch.nn.functional.logsigmoid(BETA * margin(own, reference))
    torch.testing.assert_close(loss, by_hand)
    start = -torch.nn.functional.logsigmoid(BETA * margin(own, own))
    torch.testing.assert_close(start, torch.tensor(2.0).log())


def test_a_faulty_figure_is_swapped_in(practice: Any) -> None:
    swapped = 0
    for question in (
        "How many bytes does a parameter take in full fine-tuning?",
        "How many parameters does LoRA train?",
        "What learning rate does LoRA want?",
        "How much memory does QLoRA save?",
    ):
        found = practice.gather(question, "en")
        for number, passage in enumerate(found.passages, 1):
            for sentence in sentences.telling(passage.text, passage.lang):
                answer = f"{sentence[:-1]} [{number}]."
                for worse in rejected.variants(practice, found, answer, []):
                    if worse.how == "number":
                        swapped += 1
                        bare = [re.sub(r"\d+(?:[.,]\d+)*", "#", t) for t in (answer, worse.text)]
                        assert bare[0] == bare[1] and worse.text != answer
    assert swapped >= 3


def test_a_journal_forgets_what_a_kill_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"at": 1})
    journal.append({"at": 2})
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-3])
    assert journal.read() == [{"at": 1}]
    journal.append({"at": 2})
    assert journal.path.read_bytes() == whole


def test_a_name_that_is_taken_is_refused(home: Path) -> None:
    from tutor.workshop.own import bases, build

    assets = home / "models" / "mine"
    assets.mkdir(parents=True)
    with pytest.raises(TutorError, match="mine already"):
        build._state(home, build.Order("mine"), bases.recipe("tiny"))


@pytest.mark.slow
@pytest.mark.timeout(1800)  # beside other work
def test_a_build_that_is_killed_goes_on(home: Path, smollm2: Path, index: Path) -> None:
    shutil.copyfile(index, home / "kb.db")
    command = [sys.executable, "-m", "tutor", "model", "build-own", "--hours", "0.004", "--name",
               "own", "--json"]  # fmt: skip
    folder = home / "builds" / "own"
    gathered, sft = folder / "data/gathered.jsonl", folder / "sft.pt"
    for left in (gathered, sft):  # killed in the data, then in training
        running = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
        while not left.exists() and running.poll() is None:
            time.sleep(0.2)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        assert left.exists()
    before = gathered.read_bytes()
    ended = subprocess.run(command, capture_output=True, text=True)
    # The gates of a model that saw a handful of examples may fail; it is made all the same.
    assert ended.returncode in (0, 1), ended.stderr
    assert gathered.read_bytes() == before
    built = json.loads(ended.stdout)
    assert set(built["training"]) == {"sft", "dpo"} and built["training"]["dpo"]["steps"] >= 1
    assert {"data", "training", "export", "quantize", "gates"} == set(built["seconds"])
    gates = built["report"]["files"]["Q8_0"]["gates"]
    for name in ("file", "tokens", "template", "logits", "perplexity"):
        assert gates[name]["passed"], (name, gates[name])
    model = home / "models" / "own"
    listed = json.loads((model / "data/manifest.json").read_text("utf-8"))["files"]
    assert {path.name for path in (model / "data").glob("*.jsonl")} == set(listed)
    card = (model / "MODEL_CARD.md").read_text("utf-8")
    assert listed["sft.jsonl"]["sha256"] in card and "sft_held_out_loss" in card
    again = subprocess.run(command, capture_output=True, text=True)
    assert json.loads(again.stdout)["training"] == built["training"], "nothing is done twice"
