"""Parsing: what each kind of file becomes, and what broken ones are refused for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kb.model import Document, UnreadableError
from kb.parse import LARGEST, decode, parse


def parsed(name: str, text: str | bytes) -> Document:
    return parse(Path(name), text if isinstance(text, bytes) else text.encode())


def text_of(document: Document) -> str:
    return "\n".join(block.text for section in document.sections for block in section.blocks)


def headings(document: Document) -> list[tuple[str, ...]]:
    return [section.heading for section in document.sections]


def test_markdown_keeps_structure_and_wording() -> None:
    document = parsed(
        "guide/lora.md",
        "---\ntitle: LoRA guide\n---\n# LoRA\n\nIntro with `r` and <s> tokens.\n\n"
        "## Rank[[the-rank]]\n\n```python\n# not a heading\nr = 8\n```\n\n"
        "| r | params |\n|---|---|\n| 8 | 1M |\n\n- one\n- two\n",
    )
    assert document.title == "LoRA guide"
    assert headings(document) == [("LoRA",), ("LoRA", "Rank")]
    kinds = [block.kind for block in document.sections[1].blocks]
    assert kinds == ["code", "table", "list", "list"]
    assert "# not a heading\nr = 8" in text_of(document)
    assert "<s> tokens" in text_of(document)


def test_mdx_loses_imports_and_tags_but_not_their_text() -> None:
    document = parsed(
        "page.en.mdx",
        "import { Tip } from 'ui'\nexport const x = 1\n\n# Title\n\n"
        '<Tip warning={true}>\n\nMind the **rank**.\n\n</Tip>\n\n<img src="a.png" alt="x"/>\n\n'
        "```python\nimport torch from here\n<Tip>\n```\n\n<!-- hidden -->\n",
    )
    text = text_of(document)
    assert "Mind the **rank**." in text
    assert "export" not in text and "img" not in text and "hidden" not in text
    assert "import torch from here\n<Tip>" in text, "code is left as it is"


def test_a_fence_that_never_ends_is_code_to_the_end() -> None:
    document = parsed("a.md", "# A\n\n```\ncode <b>here</b>\n\n# still code\n")
    assert headings(document) == [("A",)]
    assert "<b>here</b>" in text_of(document)


def test_rst_sections_code_and_unknown_directives() -> None:
    document = parsed(
        "index.rst",
        "Chains\n======\n\nA :ref:`chain` joins calls.\n\n.. toctree::\n   :maxdepth: 1\n\n"
        "   ./a.ipynb\n\nUsage\n-----\n\n.. code-block:: python\n\n    run()\n\n"
        ".. include:: /etc/passwd\n",
    )
    assert document.title == "Chains"
    assert headings(document)[-1][-1] == "Usage"
    assert "joins calls" in text_of(document)
    assert "run()" in text_of(document)
    assert "root:" not in text_of(document), "a document must not read other files"


def test_html_leaves_navigation_and_scripts_out() -> None:
    document = parsed(
        "page.html",
        "<html><head><title>T</title><script>evil()</script></head><body><nav>menu</nav>"
        "<h1>Top</h1><p>First <b>bold</b>.</p><h2>Sub</h2><pre>x = 1\ny = 2</pre>"
        "<table><tr><th>a</th></tr><tr><td>1</td></tr></table></body></html>",
    )
    assert document.title == "T"
    assert headings(document) == [("Top",), ("Top", "Sub")]
    text = text_of(document)
    assert "First bold." in text and "x = 1\ny = 2" in text and "| 1 |" in text
    assert "menu" not in text and "evil" not in text


def notebook(*cells: dict) -> str:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_notebook_has_text_code_and_short_outputs_only() -> None:
    short = {"output_type": "stream", "name": "stdout", "text": ["accuracy 0.9\n"]}
    long = {"output_type": "stream", "name": "stdout", "text": ["log line\n"] * 200}
    image = {"output_type": "display_data", "data": {"image/png": "iVBOR" * 99}}
    document = parsed(
        "nb.ipynb",
        notebook(
            {"cell_type": "markdown", "source": ["# Title\n", "\n", "Words."]},
            {"cell_type": "code", "source": "train()", "outputs": [short, image]},
            {"cell_type": "code", "source": "more()", "outputs": [long]},
        ),
    )
    text = text_of(document)
    assert document.title == "Title"
    assert "train()" in text and "more()" in text and "accuracy 0.9" in text
    assert "log line" not in text and "iVBOR" not in text


def test_python_is_cut_at_definitions() -> None:
    document = parsed(
        "train.py", '"""How to train."""\nimport x\n\n\n@deco\ndef main():\n    # why\n    run()\n'
    )
    assert headings(document) == [(), (), ("main",)]
    assert "How to train." in text_of(document)
    assert "@deco\ndef main():\n    # why" in text_of(document)


def test_python_lines_are_counted_as_python_counts_them() -> None:
    source = 'mark = "\u2028"\r\n\x0c\ndef main():\r    run()\n\n\ny = 2\n'
    document = parsed("old.py", source)
    assert headings(document) == [(), ("main",), ()]
    assert document.sections[1].blocks[0].text == "```python\ndef main():\n    run()\n```"


NOTEBOOK = r'{"cells": [{"cell_type": "markdown", "source": "# A\ud83d\n\nhello \ud83d"}]}'


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.ipynb", NOTEBOOK), ("a.py", r'"""hello \ud83d"""'), ("\udcc4.txt", "hello")],
)
def test_lone_surrogates_are_dropped(name, text) -> None:
    document = parsed(name, text)
    assert "hello" in text_of(document)
    assert "".join([document.title, *sum(headings(document), ()), text_of(document)]).encode()


def test_chinese_text_is_told_and_old_encodings_are_read() -> None:
    text = "# 量化\n\n量化把权重变成低精度的数字，从而节省显存。\n"
    assert parsed("a.md", text).lang == "zh"
    assert parsed("a.md", text.encode("gb18030")).title == "量化"
    assert parsed("a.md", text.encode("utf-16")).title == "量化"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.md", b"", "empty"),
        ("a.md", b"  \n", "empty"),
        ("a.md", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        ("a.md", bytes(range(128, 256)) * 20, "encoding"),
        ("a.md", b"<!-- only a comment -->", "no text"),
        ("a.pdf", b"%PDF-1.4 and then nothing", "PDF"),
        ("a.ipynb", b"{not json", "notebook"),
        ("a.ipynb", b"[1, 2]", "notebook"),
        ("a.ipynb", b'{"cells": [3]}', "notebook"),
        ("a.ipynb", b"[" * 100_000, "nested"),
        ("a.py", b"x = " + b"-" * 100_000 + b"1", "nested"),
        ("a.rst", b"".join(b" " * n + b"- a\n\n" for n in range(0, 800, 2)), "nested"),
        ("a.exe", b"MZ", "not a kind"),
        ("a.md", b"a" * (LARGEST + 1), "25 MB"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(name, data, reason) -> None:
    with pytest.raises(UnreadableError, match=reason):
        parse(Path(name), data)


def test_decode_takes_the_mark_away() -> None:
    assert decode(b"\xef\xbb\xbfhello") == "hello"


def pdf(*pages: list[tuple[float, float, str] | tuple[float, float, str, int]]) -> bytes:
    """Write a PDF with text at (x, y) on each page, in Helvetica of 10 points or as said."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 "
               "/BaseFont /Helvetica >>"]  # fmt: skip
    kids = []
    for page in pages:
        stream = "".join(
            f"BT /F1 {size[0] if size else 10} Tf {x} {y} Td ({text}) Tj ET\n"
            for x, y, text, *size in page
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}endstream")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents "
            f"{len(objects)} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    body, offsets = b"%PDF-1.4\n", []
    for number, source in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{source}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    tail = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    return (
        body
        + (
            f"{tail}trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n"
            f"startxref\n{len(body)}\n%%EOF\n"
        ).encode()
    )


def test_pdf_columns_are_read_one_after_the_other() -> None:
    """The file draws row by row across both columns, as some programs do."""
    rows = []
    for line in range(12):
        rows.append((50.0, 700.0 - 14 * line, f"left column line {line} of the text here"))
        rows.append((320.0, 700.0 - 14 * line, f"right column line {line} of the text here"))
    text = text_of(parsed("two.pdf", pdf(rows)))
    assert text.index("left column line 11") < text.index("right column line 0")


def test_pdf_loses_running_heads_page_numbers_and_hyphens() -> None:
    pages = [
        [(200.0, 780.0, "Journal of Tests"), (300.0, 30.0, str(n)),
         (50.0, 600.0, f"Page {n} speaks of quanti-"), (50.0, 588.0, "zation and of nothing else.")]
        for n in range(1, 5)
    ]  # fmt: skip
    document = parsed("heads.pdf", pdf(*pages))
    text = text_of(document)
    assert "Journal" not in text
    assert "quantization and of" in text
    assert [section.page for section in document.sections] == [1, 2, 3, 4]


def test_real_papers_have_sections_pages_and_no_references(shared: Path) -> None:
    path = shared / "corpus/papers/2305.14314-qlora.pdf"
    document = parse(path, path.read_bytes())
    names = [section.heading[-1] for section in document.sections if section.heading]
    assert any("Background" in name for name in names)
    assert max(section.page or 0 for section in document.sections) > 15
    text = text_of(document)
    assert "arXiv preprint arXiv" not in text, "the list of references is left out"
    assert "ﬁ" not in text, "ligatures are letters"


def test_a_real_paper_in_two_columns_is_read_column_by_column(shared: Path) -> None:
    path = shared / "corpus/papers/1810.04805-bert.pdf"
    text = " ".join(text_of(parse(path, path.read_bytes())).split())
    assert (
        "which aim to predict the relationships between sentences by analyzing them holistically"
        in text
    )


def written(*lines: str | tuple[str, int]) -> list[tuple[float, float, str, int]]:
    """Lines one below the other; a number beside a line is its size in points."""
    sized = [(line, 10) if isinstance(line, str) else line for line in lines]
    return [(60.0, 700.0 - 14 * at, text, size) for at, (text, size) in enumerate(sized)]


def test_a_pdfs_title_is_the_title_alone() -> None:
    page = written(
        ("Learning to Adapt Very Large Models", 16), ("Ann Author, Bob Writer", 13),
        ("ann@example.org", 13), ("Abstract", 12), "We adapt models and say how it is done.",
        *["More words of the body in a line of their own."] * 9,
    )  # fmt: skip
    assert parsed("paper.pdf", pdf(page)).title == "Learning to Adapt Very Large Models"


def test_the_reference_list_goes_and_the_appendix_after_it_stays() -> None:
    page = written(
        ("1 Introduction", 12), "We speak of adapters in this long first sentence here.",
        ("2 Method", 12), "The method is described in a second sentence of words.",
        *["It goes on for a while, as the body of a paper does."] * 6,
        ("References", 12), "A. Author. A paper that is cited. In Proceedings of it.",
        ("A LARGE MODELS NEED UPDATES", 12), "The appendix says that the large ones need them.",
    )  # fmt: skip
    document = parsed("paper.pdf", pdf(page))
    names = [section.heading[-1] for section in document.sections if section.heading]
    assert names == ["1 Introduction", "2 Method", "A LARGE MODELS NEED UPDATES"]
    assert "Proceedings" not in text_of(document) and "The appendix says" in text_of(document)


def test_letters_and_ticks_of_a_figure_are_no_headings_and_no_text() -> None:
    page = written(
        ("1 Introduction", 12), "We speak of adapters in this long first sentence here.",
        ("C T1 T[SEP] ...", 12), ("E E1 ... EN", 12), ("0.1 0.2", 7), ("84", 7),
        *["It goes on for a while, as the body of a paper does."] * 6,
        ("2 Method", 12), "The method is described in a second sentence of words.",
        "Batch size: 16, 32",
    )  # fmt: skip
    document = parsed("paper.pdf", pdf(page))
    assert {heading[-1] for heading in headings(document)} == {"1 Introduction", "2 Method"}
    assert "84" not in text_of(document) and "0.1 0.2" not in text_of(document)
    assert "Batch size: 16, 32" in text_of(document)


def test_a_hyphen_at_a_lines_end_stays_in_a_compound() -> None:
    page = written(
        "The sequence is aligned. We use sequence-", "aligned networks and pre-trained ones, and",
        "then quanti-", "zation and again pre-", "trained ones, and nothing else than these.",
    )  # fmt: skip
    text = text_of(parsed("paper.pdf", pdf(page)))
    assert "sequence-aligned networks" in text and "quantization" in text
    assert "again pre-trained ones" in text


TITLES = {
    "1706.03762": "Attention Is All You Need",
    "1810.04805": "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
    "2005.11401": "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks",
    "2106.09685": "LORA: LOW-RANK ADAPTATION OF LARGE LANGUAGE MODELS",
    "2201.11903": "Chain-of-Thought Prompting Elicits Reasoning in Large Language Models",
    "2203.02155": "Training language models to follow instructions with human feedback",
    "2210.03629": "REACT: SYNERGIZING REASONING AND ACTING IN LANGUAGE MODELS",
    "2304.03277": "INSTRUCTION TUNING WITH GPT-4",
    "2305.11206": "LIMA: Less Is More for Alignment",
    "2305.14314": "QLORA: Efficient Finetuning of Quantized LLMs",
    "2305.18290": "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
    "gpt2": "Language Models are Unsupervised Multitask Learners",
}


def test_all_real_papers_have_their_titles_and_their_appendices(shared: Path) -> None:
    names: dict[str, list[str]] = {}
    for path in sorted((shared / "corpus/papers").glob("*.pdf")):
        document = parse(path, path.read_bytes())
        key = path.name.partition("-")[0]
        assert document.title == TITLES[key]
        names[key] = [" > ".join(section.heading) for section in document.sections]
        text = text_of(document)
        assert "In Proceedings of" not in text and "arXiv preprint" not in text, path.name
        assert not any(ord(c) < 32 and c != "\n" for c in text), path.name
    assert "A LARGE LANGUAGE MODELS STILL NEED PARAMETER UPDATES" in names["2106.09685"]
    assert "4 Human Evaluation > 4.2 Results" in names["2305.11206"]
    assert "2 Methods > 2.3 Generator: BART" in names["2005.11401"]
    assert "4 Experiments > 4.2 SQuAD v1.1" in names["1810.04805"]
    assert not any("[SEP]" in name or "OOD:" in name for found in names.values() for name in found)


def test_formulas_and_rules_make_no_headings() -> None:
    document = parsed(
        "loss.md",
        "# Loss\n\n$$\n\\mathcal{L}\n=\n-\\log p\n$$\n\nWords.\n\n"
        "\\begin{align}\na\n-\nb\n\\end{align}\n\n"
        "A paragraph of two lines\nwith a rule right below it.\n---\n\n## Next\n\nMore.\n",
    )
    assert headings(document) == [("Loss",), ("Loss", "Next")]
    text = text_of(document)
    assert "\\mathcal{L}\n=\n-\\log p" in text, "the formula itself is as its author wrote it"
    assert "with a rule right below it." in text


def test_components_with_nested_braces_go_and_a_quizs_choices_stay() -> None:
    document = parsed(
        "1.mdx",
        "# Quiz\n\n<CourseFloatingBanner chapter={1}\n  notebooks={[\n"
        '    {label: "Colab", value: "https://x.org/a"},\n]} />\n\n<Youtube id="x"/>\n\n'
        '### What is it?\n\n<Question\n\tchoices={[\n\t\t{\n\t\t\ttext: "A tokenizer",\n'
        '\t\t\texplain: "Right, it splits \\"text\\".",\n\t\t\tcorrect: true\n\t\t}\n\t]}\n/>\n\n'
        "[[autodoc]] Trainer\n    - train",
    )
    text = text_of(document)
    assert "- A tokenizer" in text and "Right, it splits" in text
    for junk in ("Banner", "Colab", "Youtube", "choices", "correct", "autodoc", "- train"):
        assert junk not in text


def test_pictures_leave_their_description_at_most() -> None:
    document = parsed(
        "a.md",
        "# A\n\n[![Open In Colab](https://x.org/b.svg)](https://x.org/c)\n\n![png](out_3.png)\n\n"
        "![How attention weighs the tokens](https://x.org/d.png)\n\n"
        '<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>&lt;unk&gt; stands for what is not known.\n',
    )
    text = text_of(document)
    assert "How attention weighs the tokens" in text and "<unk> stands" in text
    assert not any(junk in text for junk in ("x.org", "png", "Colab", "path"))


def test_what_programs_show_on_a_screen_is_no_text() -> None:
    bar = {"output_type": "stream", "text": "100%|####| 9/9 [00:01<00:00]\n\x1b[1mdone\x1b[0m\n"}
    widget = {
        "output_type": "display_data",
        "data": {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VBox(x)"},
    }
    cells = [
        {"cell_type": "code", "source": "train_the_model()", "outputs": [bar, widget]},
        {"cell_type": "markdown", "source": "Shown:\n\n    Downloading: 50%|##  | 1M/2M [00:01]\n"},
    ]
    text = text_of(parsed("a.ipynb", notebook(*cells)))
    assert "done" in text and "train_the_model" in text
    assert not any(junk in text for junk in ("100%", "50%", "\x1b", "VBox"))
