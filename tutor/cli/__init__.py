"""The command line: one module for each group of commands, imported only when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import TextIOWrapper

import click

from tutor import __version__
from tutor.base.errors import Exit, TutorError

# name: (module, English help, Chinese help). The help stands here so that `tutor --help`
# imports no command.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "start": ("tutor.cli.start", "Open the tutor.", "打开学习界面。"),
    "ask": (
        "tutor.cli.ask",
        "Ask a question; the answer cites its sources.",
        "提问；回答会注明出处。",
    ),
    "plan": ("tutor.cli.study", "Show the eight-week plan.", "查看八周计划。"),
    "lesson": ("tutor.cli.study", "Read a unit's lesson.", "阅读某一单元的课文。"),
    "progress": ("tutor.cli.study", "Show what you have proven so far.", "查看你已完成的部分。"),
    "open": (
        "tutor.cli.exercise",
        "Put an exercise into your workspace.",
        "把练习放入你的工作目录。",
    ),
    "run": (
        "tutor.cli.exercise",
        "Run your file of an exercise, or its training job.",
        "运行你的练习文件，或其中的训练任务。",
    ),
    "check": (
        "tutor.cli.exercise",
        "Grade an exercise, or all of a unit.",
        "批改一个练习或整个单元。",
    ),
    "quiz": (
        "tutor.cli.quiz",
        "Answer the quiz cards that are due.",
        "复习到期的测验卡片。",
    ),
    "prefer": (
        "tutor.cli.prefer",
        "Choose between two answers; collect preference pairs.",
        "在两个回答之间选择，收集偏好对。",
    ),
    "hint": ("tutor.cli.exercise", "Take the next hint.", "查看下一条提示。"),
    "kb": (
        "tutor.cli.kb",
        "The knowledge base: sync, add, search, stats.",
        "知识库：同步、添加、检索、统计。",
    ),
    "model": (
        "tutor.cli.model",
        "Models: list, pull, use, or make your own.",
        "模型：列出、下载、切换、自制。",
    ),
    "setup": (
        "tutor.cli.setup",
        "Get the models and the first knowledge base.",
        "准备模型与初始知识库。",
    ),
    "doctor": ("tutor.cli.setup", "Say what is missing and how to get it.", "检查缺什么、怎么补。"),
    "eval": (
        "tutor.cli.evaluate",
        "Measure the answers on questions with known answers.",
        "用已知答案的问题评测回答质量。",
    ),
    "dev": ("tutor.cli.dev", "For authors of exercises.", "供练习作者使用。"),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return getattr(import_module(COMMANDS[name][0]), name.replace("-", "_"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from tutor.base.i18n import say

        with formatter.section(say("Commands", "命令")):
            formatter.write_dl([(name, say(en, zh)) for name, (_, en, zh) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]):  # type: ignore[no-untyped-def]
        if args and args[0] not in COMMANDS:
            from tutor.base.errors import nearest
            from tutor.base.i18n import say

            raise TutorError(
                say(f"There is no command {args[0]!r}.", f"没有命令 {args[0]!r}。"),
                say(
                    f"Nearest: {nearest(args[0], list(COMMANDS))}",
                    f"最接近的：{nearest(args[0], list(COMMANDS))}",
                ),
            )
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tutor")
@click.option(
    "--debug", is_flag=True, help="Show the traceback of an error. / 出错时显示完整的调用栈。"
)
def cli(debug: bool) -> None:
    """Eight weeks of large language models, in the terminal, offline. / 八周大语言模型学习伙伴。"""


def main() -> None:
    """Run the command line; every error ends here as one line, a hint and an exit code."""
    from tutor.base import settings

    _write_any_character()
    sys.excepthook = _end_by_defect
    try:
        settings.load()  # sets the language before any text is shown
        sys.exit(cli(standalone_mode=False) or Exit.OK)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.exceptions.Abort):
        if sys.stderr.isatty():
            click.echo(err=True)  # the shell's prompt belongs below the ^C
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except BrokenPipeError:
        # `tutor ... | head`: the reader has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
    except (TutorError, OSError) as error:
        sys.exit(_say_why(error))


def _write_any_character() -> None:
    """UTF-8 into files and pipes, where Windows has its code page; a terminal that lacks a
    character shows another."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="replace")


def _end_by_defect(_: type[BaseException], error: BaseException, __: object) -> None:
    """What no code foresaw is said in a line too."""
    sys.exit(_say_why(error))


def _say_why(error: BaseException) -> Exit:
    from tutor.base.trouble import as_tutor_error

    if "--debug" in sys.argv:
        import traceback

        traceback.print_exception(error)
    shown = as_tutor_error(error)
    click.echo(f"tutor: {shown.message}", err=True)
    if shown.hint:
        click.echo(f"  → {shown.hint}", err=True)
    return shown.code
