"""A cited passage in full, and where it comes from."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Markdown, Static

from kb import Passage
from tutor.base.i18n import say
from tutor.tui.keys import PASSAGE, bindings
from tutor.tui.widgets.key_bar import KeyBar

AS_MARKDOWN = (".md", ".mdx", ".ipynb", ".rst")


class PassageScreen(ModalScreen[None]):
    """Shows one passage."""

    BINDINGS = bindings(PASSAGE)

    def __init__(self, passage: Passage) -> None:
        super().__init__()
        self._passage = passage

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static(classes="window-title")
            with VerticalScroll(classes="window-text"):
                if self._passage.doc.lower().endswith(AS_MARKDOWN):
                    yield Markdown(self._passage.text, open_links=False)
                else:
                    yield Static(Content(self._passage.text))
            yield Static(classes="window-source")
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.retell()

    def retell(self) -> None:
        passage = self._passage
        head = Content.styled(passage.title, "bold $primary")
        page = say(f"page {passage.page}", f"第 {passage.page} 页") if passage.page else ""
        if where := "  ·  ".join(part for part in (passage.heading, page) if part):
            head = Content.assemble(head, "\n", (where, "$foreground 60%"))
        self.query_one(".window-title", Static).update(head)
        source = "  ·  ".join(p for p in (passage.source, passage.doc, passage.licence) if p)
        foot = Content.assemble((passage.url, "$primary"), "\n", (source, "$foreground 60%"))
        self.query_one(".window-source", Static).update(foot)
        self.query_one(KeyBar).show(PASSAGE)

    async def action_press(self, action: str) -> None:
        await self.run_action(action)

    def action_close(self) -> None:
        self.dismiss()

    def action_browse(self) -> None:
        if self._passage.url:
            self.app.open_url(self._passage.url)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._passage.url or self._passage.text)
        self.app.notify(say("Copied.", "已复制。"))
