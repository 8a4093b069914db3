"""Every key, with its name in both languages: the bindings, the bar at the bottom and the help
are made from these tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from tutor.base.i18n import Bilingual


@dataclass(frozen=True)
class Key:
    """A key and what it does.

    key: Textual's names, separated by commas.
    action: the action, as Textual names it; empty where a widget handles the key itself.
    cap: what is printed on the key.
    label: one or two words for the bar.
    help: a sentence for the help; empty: the label.
    """

    key: str
    action: str
    cap: str
    label: Bilingual
    help: Bilingual | None = None
    bar: bool = True

    @property
    def typed(self) -> bool:
        """Whether a text field would take the key as text."""
        return len(self.cap.split(" ")[0]) == 1


def bindings(keys: Iterable[Key]) -> list[BindingType]:
    """Make Textual's bindings. `id` lets a user's keymap move them."""
    return [
        Binding(k.key, k.action, k.label.en, show=False, id=f"tutor.{k.action}")
        for k in keys
        if k.action
    ]


# In the order in which the bar gives them up when it is narrow, last first.
STUDY = (
    Key(
        "a,slash",
        "ask",
        "a",
        Bilingual("Ask", "提问"),
        Bilingual("ask a question (also /)", "提问（也可按 /）"),
    ),
    Key(
        "f1,question_mark",
        "app.help",
        "F1",
        Bilingual("Help", "帮助"),
        Bilingual("this help (also ?)", "显示帮助（也可按 ?）"),
    ),
    Key(
        "p",
        "plan",
        "p",
        Bilingual("Plan", "计划"),
        Bilingual("show or hide the plan", "显示或隐藏计划"),
    ),
    Key(
        "n",
        "next",
        "n",
        Bilingual("Next", "下一题"),
        Bilingual("next open exercise", "下一道未完成的练习"),
    ),
    Key(
        "z",
        "quiz",
        "z",
        Bilingual("Quiz", "测验"),
        Bilingual("the quiz cards that are due", "复习到期的测验卡片"),
    ),
    Key(
        "q",
        "app.quit",
        "q",
        Bilingual("Quit", "退出"),
        Bilingual("quit (anywhere: Ctrl+Q)", "退出（任何时候：Ctrl+Q）"),
    ),
    Key(
        "l",
        "app.language",
        "l",
        Bilingual("中文", "English"),
        Bilingual("switch to Chinese", "切换为英文"),
    ),
    Key(
        "ctrl+p",
        "",
        "^p",
        Bilingual("Palette", "命令面板"),
        Bilingual("all commands, units, exercises, themes", "命令面板：所有命令、单元、练习、主题"),
    ),
)

PLAN = (
    Key("enter", "", "Enter", Bilingual("Open", "打开")),
    Key(
        "space",
        "",
        "Space",
        Bilingual("Fold", "展开"),
        Bilingual("fold or unfold a unit (also ← →)", "展开或折叠单元（也可用 ← →）"),
    ),
)

READING = (
    Key(
        "t",
        "contents",
        "t",
        Bilingual("Contents", "目录"),
        Bilingual("table of contents of the lesson", "课文目录"),
    ),
    Key(
        "escape",
        "leave",
        "Esc",
        Bilingual("Plan", "返回"),
        Bilingual("back to the plan", "回到计划"),
        False,
    ),
)

LINKS = (
    Key(
        "enter",
        "",
        "Enter",
        Bilingual("Open", "打开"),
        Bilingual(
            "open the link or passage in focus (Tab moves on)", "打开选中的链接或原文（Tab 切换）"
        ),
    ),
)

CHAT = (
    Key(
        "ctrl+r",
        "history",
        "^r",
        Bilingual("History", "历史"),
        Bilingual("search past questions and go on from one", "搜索以往的提问并继续"),
    ),
    Key(
        "ctrl+n",
        "fresh",
        "^n",
        Bilingual("New", "新会话"),
        Bilingual("begin a new session", "开始新的会话"),
    ),
)

ASKING = (
    Key(
        "enter", "", "Enter", Bilingual("Send", "发送"), Bilingual("send the question", "发送问题")
    ),
    Key(
        "escape",
        "leave",
        "Esc",
        Bilingual("Leave", "离开"),
        Bilingual(
            "stop the answer at once (also Ctrl+C); else leave the field",
            "立刻停止回答（也可按 Ctrl+C）；否则离开输入框",
        ),
    ),
    Key(
        "tab",
        "",
        "Tab",
        Bilingual("Sources", "出处"),
        Bilingual("to the steps and sources", "切换到步骤和出处"),
    ),
    *CHAT,
)

HISTORY = (
    Key("enter", "", "Enter", Bilingual("Go on", "继续"), Bilingual("go on from it", "接着它继续")),
    Key("down", "list", "↓", Bilingual("List", "列表"), Bilingual("to the list", "移到列表")),
    Key("escape", "close", "Esc", Bilingual("Close", "关闭")),
)

EXERCISE = (
    Key(
        "o",
        "open",
        "o",
        Bilingual("Open", "打开"),
        Bilingual("put the exercise into your workspace", "把练习放入你的工作目录"),
    ),
    Key(
        "e",
        "edit",
        "e",
        Bilingual("Edit", "编辑"),
        Bilingual("edit it with $VISUAL or $EDITOR", "用 $VISUAL 或 $EDITOR 编辑"),
    ),
    Key(
        "r", "run", "r", Bilingual("Run", "运行"), Bilingual("run its training job", "运行训练任务")
    ),
    Key(
        "s",
        "finish",
        "s",
        Bilingual("Finish", "收尾"),
        Bilingual("end the training early, keep what it learned", "提前结束训练，保留已学到的"),
    ),
    Key(
        "c", "check", "c", Bilingual("Check", "批改"), Bilingual("check your file", "批改你的文件")
    ),
    Key(
        "h",
        "hint",
        "h",
        Bilingual("Hint", "提示"),
        Bilingual("take the next hint", "查看下一条提示"),
    ),
)

QUIZ = (
    Key(
        "",
        "",
        "1–5",
        Bilingual("Choose", "选择"),
        Bilingual("choose an answer; rate what you recalled", "选择答案；自评记得怎样"),
    ),
    Key(
        "space",
        "reveal",
        "Space",
        Bilingual("Show", "答案"),
        Bilingual("show the answer; then the next card", "看答案；再按是下一张"),
    ),
    Key(
        "enter",
        "next",
        "Enter",
        Bilingual("Next", "下一张"),
        Bilingual("next card; send a typed number", "下一张；提交输入的数"),
    ),
)

QUIZ_NUMBER = (Key("enter", "", "Enter", Bilingual("Send", "提交")),)

PREFER = (
    Key(
        "1",
        "first",
        "1",
        Bilingual("First", "选一"),
        Bilingual("the first answer is better", "第一个回答更好"),
    ),
    Key(
        "2",
        "second",
        "2",
        Bilingual("Second", "选二"),
        Bilingual("the second answer is better", "第二个回答更好"),
    ),
    Key(
        "t",
        "tie",
        "t",
        Bilingual("Tie", "平手"),
        Bilingual("neither is better", "不分高下"),
    ),
    Key(
        "s",
        "skip",
        "s",
        Bilingual("Skip", "跳过"),
        Bilingual("no judgement: on to another prompt", "不作评判，换一条提示"),
    ),
    Key(
        "o",
        "own",
        "o",
        Bilingual("Own prompt", "自己提问"),
        Bilingual("type a prompt of your own", "输入你自己的提示"),
    ),
)

PREFER_STOPPED = (
    Key(
        "space",
        "again",
        "Space",
        Bilingual("Again", "再试"),
        Bilingual("this prompt again, after a stop or an error", "停止或出错之后，再试这条提示"),
    ),
)

PREFER_OWN = (
    Key("enter", "", "Enter", Bilingual("Send", "发送")),
    Key("escape", "", "Esc", Bilingual("Leave", "离开")),
)

PASSAGE = (
    Key("escape,q,enter", "close", "Esc", Bilingual("Close", "关闭")),
    Key(
        "o",
        "browse",
        "o",
        Bilingual("Open page", "打开网页"),
        Bilingual("open its page in the browser", "在浏览器中打开原文"),
    ),
    Key("y", "copy", "y", Bilingual("Copy", "复制"), Bilingual("copy its address", "复制原文地址")),
)

# title, keys: for the help.
ALL: tuple[tuple[Bilingual, tuple[Key, ...]], ...] = (
    (Bilingual("Everywhere", "任何页面"), STUDY),
    (Bilingual("Plan", "计划"), PLAN),
    (Bilingual("Lesson and unit", "课文与单元"), READING + LINKS),
    (Bilingual("Ask", "提问"), ASKING),
    (Bilingual("Past questions", "提问历史"), HISTORY),
    (Bilingual("Exercise", "练习"), EXERCISE),
    (Bilingual("Quiz", "测验"), QUIZ),
    (Bilingual("Preferences", "偏好"), PREFER + PREFER_STOPPED),
    (Bilingual("Passage", "原文"), PASSAGE),
)
