"""`tutor model export|quantize|gates|make|use|rollback|bench|serve|remove`: the learner's models."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tutor.base import settings as settings_
from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say
from tutor.cli.output import emit_json, json_option, narrate, show

if TYPE_CHECKING:
    from tutor.workshop.gates import Trial
    from tutor.workshop.quantize import Sample
    from tutor.workshop.report import ModelFile, Report

name_option = click.option("--name", default="", help="The new model's name. / 新模型的名称。")
base_option = click.option(
    "--base",
    default="",
    help="The adapter's base, where it does not say. / 适配器的底座（适配器未注明时）。",
)
type_option = click.option(
    "--type", "types", multiple=True, metavar="TYPE",
    help="Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0, …; may be repeated. / 量化类型，可重复。",
)  # fmt: skip
imatrix_option = click.option(
    "--imatrix/--no-imatrix",
    default=True,
    help="Weigh columns by their use on the knowledge base's text. / 按知识库文本统计的重要性加权。",
)


@click.command()
@click.argument("run")
@name_option
@base_option
@click.option("--lora", is_flag=True, help="Load it beside the base. / 不合并，与底座并用。")
@click.option("--merged", is_flag=True, help="A merged folder too, for vLLM. / 另存合并后的目录。")
@click.option("--converter", is_flag=True, help="By the full converter. / 使用完整的转换器。")
@json_option
def export(
    run: str, name: str, base: str, lora: bool, merged: bool, converter: bool, as_json: bool
) -> int:
    """Make a GGUF model from a training run. / 把训练结果导出为 GGUF 模型。

    RUN: an exercise (week5/lora), a run's folder, an adapter's, or a Hugging Face model's. /
    RUN：练习名（week5/lora）、运行目录、适配器目录，或 Hugging Face 模型目录。
    """
    from tutor.workshop.export import Form
    from tutor.workshop.export import export as export_

    form = Form(lora, merged, converter)
    made = export_(run, settings_.load(), name=name, base=base, form=form)
    step = f"gates {made.name}" if lora else f"quantize {made.name} --type Q4_K_M"
    _finish(made, as_json, say(f"Next: tutor model {step}", f"下一步：tutor model {step}"))
    return Exit.OK


@click.command()
@click.argument("name")
@type_option
@imatrix_option
@click.option("--quick", is_flag=True, help="Do not measure. / 不测量。")
@click.option(
    "--questions", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Count right answers on these (JSONL). / 用这些题目（JSONL）统计答对数。",
)  # fmt: skip
@click.option("--sample", default=10, help="How many of them. / 抽取多少题。")
@json_option
def quantize(
    name: str,
    types: tuple[str, ...],
    imatrix: bool,
    quick: bool,
    questions: Path | None,
    sample: int,
    as_json: bool,
) -> int:
    """Quantize a model of yours, and show what each type costs. / 量化你的模型并比较各类型。"""
    from tutor.workshop.quantize import CHART, Wish
    from tutor.workshop.quantize import quantize as quantize_

    wish = Wish(types or ("Q8_0", "Q4_K_M"), imatrix, not quick)
    made = quantize_(name, wish, narrate, _sampler(questions, sample) if questions else None)
    chart = made.folder / CHART
    if chart.exists():
        narrate(say(f"Chart: {chart}", f"图表：{chart}"))
    _finish(
        made, as_json, say(f"Next: tutor model gates {name}", f"下一步：tutor model gates {name}")
    )
    return Exit.OK


@click.command()
@click.argument("name")
@click.option(
    "--no-questions", is_flag=True, help="Leave the sample questions out. / 不做抽样问答。"
)
@json_option
def gates(name: str, no_questions: bool, as_json: bool) -> int:
    """Prove a model: NAME, or NAME:TYPE for one file. / 让模型过关卡：NAME 或 NAME:TYPE。

    Exit status 1 where a gate is not passed. / 有关卡未通过时退出码为 1。
    """
    from tutor.workshop.gates import prove

    model, _, type_ = name.partition(":")
    made = prove(model, (type_,) if type_ else (), narrate, None if no_questions else _trial())
    asked = [made.files[type_]] if type_ else list(made.files.values())
    if as_json:
        emit_json({file.type: file.gates for file in asked})
    else:
        for file in asked:
            _print_gates(made, file)
    return Exit.OK if all(file.passed for file in asked) else Exit.NOT_PASSED


@click.command()
@click.argument("run")
@name_option
@base_option
@type_option
@imatrix_option
@json_option
def make(
    run: str, name: str, base: str, types: tuple[str, ...], imatrix: bool, as_json: bool
) -> int:
    """The whole way: export, quantize, gates, use. / 一步到位：导出、量化、过关卡、启用。"""
    from tutor.workshop import journey
    from tutor.workshop.quantize import Wish

    wish = Wish(types or ("Q8_0", "Q4_K_M"), imatrix)
    made = journey.make(
        run, settings_.load(), name=name, base=base, wish=wish, trial=_trial(), tell=narrate
    )
    _finish(made.report, as_json, _now(made.in_use))
    return Exit.OK


@click.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Even where gates failed. / 即使有关卡未通过也启用。")
def use(name: str, force: bool) -> int:
    """Answer with this model: of the catalogue, your own, or a GGUF file. / 切换回答所用的模型。"""
    from tutor.workshop import using

    chosen = using.use(name, force=force)
    narrate(_now(chosen))
    _say_what_wins(chosen)
    return Exit.OK


@click.command()
def rollback() -> int:
    """Answer with the model before. / 换回之前的模型。"""
    from tutor.workshop import using

    before = using.rollback()
    narrate(_now(before))
    _say_what_wins(before)
    return Exit.OK


@click.command()
@click.argument("name", default="")
@json_option
def bench(name: str, as_json: bool) -> int:
    """Measure a model's speed on this machine. / 测量模型在本机的速度。"""
    from tutor.engine.process import chat_model, find
    from tutor.workshop import using
    from tutor.workshop.native import Loaded
    from tutor.workshop.quantize import timed

    model = find(using.resolve(name or chat_model(settings_.load())))
    timing = timed(Loaded(model.file, model.lora))
    if as_json:
        emit_json({"model": model.name, "timing": timing})
    else:
        prompt, new = timing.prompt_tokens_per_s, timing.new_tokens_per_s
        click.echo(
            say(
                f"{model.name}: {prompt:.0f} prompt tokens/s, {new:.1f} new tokens/s",
                f"{model.name}：读入 {prompt:.0f} token/s，生成 {new:.1f} token/s",
            )
        )
    return Exit.OK


@click.command()
@click.argument("name", default="")
@click.option("--port", default=8080, help="0: any free one. / 0 表示任意空闲端口。")
@click.option(
    "--host", default="127.0.0.1", help="0.0.0.0: for the network. / 0.0.0.0 表示对外开放。"
)
@click.option(
    "--key",
    default="",
    help="What callers must send; empty: a random one. / 访问密钥，留空则随机生成。",
)
@click.option(
    "--context", default=4096, help="Context length, in tokens. / 上下文长度（token 数）。"
)
@json_option
def serve(name: str, port: int, host: str, key: str, context: int, as_json: bool) -> int:
    """Serve a model, OpenAI-compatible, until Ctrl-C; say how Ollama and vLLM would.

    提供 OpenAI 兼容服务，按 Ctrl-C 结束；并给出 Ollama 与 vLLM 的用法。
    """
    from tutor.engine.process import chat_model, find
    from tutor.engine.serve import serving
    from tutor.workshop import elsewhere, using

    model = find(using.resolve(name or chat_model(settings_.load())))
    with serving(model, context_tokens=context, host=host, port=port, key=key) as endpoint:
        how = elsewhere.commands(model, context)
        if as_json:
            emit_json({"base_url": endpoint.base_url, "api_key": endpoint.api_key, "model": model.name,
                       "elsewhere": how})  # fmt: skip
        else:
            click.echo(f"base_url = {endpoint.base_url}\napi_key  = {endpoint.api_key}\n"
                       f"model    = {model.name}")  # fmt: skip
            for program, text in how.items():
                narrate(f"\n# {program}\n{text}")
        sys.stdout.flush()
        _wait()
    return Exit.OK


def _wait() -> None:
    """Wait until the learner has had enough."""
    import threading

    threading.Event().wait()


@click.command()
@click.argument("name")
def remove(name: str) -> int:
    """Delete a model of yours that is not in use. / 删除你的一个模型（正在使用的除外）。"""
    from tutor.workshop import using

    freed = using.remove(name)
    narrate(say(f"{name} is gone; {freed / 1e6:.0f} MB freed.",
                f"已删除 {name}，释放 {freed / 1e6:.0f} MB。"))  # fmt: skip
    return Exit.OK


COMMANDS = (export, quantize, gates, make, use, rollback, bench, serve, remove)


def _trial() -> Trial:
    """The tutor's behaviour on sample questions, which lies above the workshop."""
    from kb import open_kb
    from tutor.agent.trial import behaviour

    base = open_kb()
    return lambda model: behaviour(model, base)


def _sampler(path: Path, count: int) -> Sample:
    from kb import open_kb
    from tutor.agent.trial import grader

    return grader(open_kb(), path, count)


def _now(name: str) -> str:
    return say(f"Answers now come from {name}.", f"现在由 {name} 回答。")


def _say_what_wins(chosen: str) -> None:
    """Say where something set elsewhere keeps the choice from counting."""
    settings = settings_.load()
    if settings.base_url:
        narrate(say(f"(not while base_url is set: {settings.base_url})",
                    f"（设置了 base_url 时不生效：{settings.base_url}）"))  # fmt: skip
    elif settings.model != chosen:
        narrate(say(f"(not while TUTOR_MODEL is set: {settings.model})",
                    f"（设置了环境变量 TUTOR_MODEL 时不生效：{settings.model}）"))  # fmt: skip


def _finish(made: Report, as_json: bool, next_step: str) -> None:
    if as_json:
        emit_json(made)
    else:
        _print_files(made)
    narrate(next_step)


def _print_files(made: Report) -> None:
    from rich.table import Table

    columns: list[tuple[str, Callable[[ModelFile], str]]] = [
        (say("type", "类型"), lambda f: f.type),
        ("MB", lambda f: f"{f.bytes / 1e6:.1f}"),
        (say("bits/w", "位/权重"), lambda f: f"{f.bits_per_weight:.2f}"),
        (say("perplexity", "困惑度"), lambda f: f"{f.quality.perplexity:.2f}" if f.quality else ""),
        (say("rise", "升幅"), lambda f: f"{100 * f.quality.rise:+.2f}%" if f.quality else ""),
        ("KL", lambda f: f"{f.quality.kl_divergence:.4f}" if f.quality else ""),
        (say("prompt/s", "读入/s"), lambda f: f"{f.timing.prompt_tokens_per_s:.0f}" if f.timing else ""),
        (say("new/s", "生成/s"), lambda f: f"{f.timing.new_tokens_per_s:.0f}" if f.timing else ""),
        (say("right", "答对"), lambda f: f"{f.answers[0]}/{f.answers[1]}" if f.answers else ""),
        (say("gates", "关卡"), lambda f: ("✓" if f.passed else "✗") if f.gates else ""),
    ]  # fmt: skip
    shown = [c for c in columns if any(c[1](file) for file in made.files.values())]
    table = Table(box=None, pad_edge=False, title=made.name, title_justify="left")
    for title, _ in shown:
        table.add_column(title, no_wrap=True)
    for file in made.files.values():
        table.add_row(*(text(file) for _, text in shown))
    show(table)


def _print_gates(made: Report, file: ModelFile) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=f"{made.name}:{file.type}", title_justify="left")
    for title in ("", say("gate", "关卡"), say("figure", "数值"), say("bound", "界限"), ""):
        table.add_column(title)
    for name, gate in file.gates.items():
        bound = f"{'≥' if gate.least else '≤'} {gate.bound:g}"
        table.add_row("✓" if gate.passed else "✗", name, f"{gate.figure:.4g}", bound, gate.note)
    show(table)
    if not file.passed:
        _say_failing(made, file)


def _say_failing(made: Report, file: ModelFile) -> None:
    from tutor.workshop.using import refuse_failing

    try:
        refuse_failing(f"{made.name}:{file.type}", file)
    except TutorError as error:
        narrate(error.message)
