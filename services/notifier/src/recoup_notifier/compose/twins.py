"""The frame around an HTML part, and the other part for a merchant who wrote only one of the two."""

import html
import re
from html.parser import HTMLParser
from typing import Any

from markupsafe import Markup

from recoup_notifier.compose.liquid import render
from recoup_notifier.compose.words import layout

_INLINE = {
    "h1": "margin:0 0 20px;font-size:24px;line-height:30px;font-weight:700",
    "h2": "margin:0 0 16px;font-size:20px;line-height:26px;font-weight:700",
    "p": "margin:0 0 20px",
    "hr": "margin:8px 0 16px;border:0;border-top:1px solid #dfe3e8",
}
"""Several mail programs drop <style>, so that bare tags carry theirs."""

_SMALL = '<p class="quiet" style="margin:0;font-size:13px;line-height:19px;color:#5b6673">'
_BARE = re.compile(rf"<({'|'.join(_INLINE)})>")
_URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
_WHOLE = re.compile(r"^\s*(<!doctype|<html)", re.IGNORECASE)


def framed(content: str, variables: dict[str, Any], subject: str) -> str:
    """Put a fragment into our frame; a whole document stays as it is."""
    if _WHOLE.match(content):
        return content
    content = content.replace("<small>", _SMALL).replace("</small>", "</p>")
    content = _BARE.sub(lambda tag: f'<{tag[1]} style="{_INLINE[tag[1]]}">', content)
    return render(layout(), "html", {**variables, "subject": subject, "content": Markup(content)})  # noqa: S704  # rendered with autoescape


def html_of(text: str) -> str:
    """Turn plain text into paragraphs, its addresses into links."""
    paragraphs = (paragraph.strip("\n") for paragraph in re.split(r"\n\s*\n", text.strip()))
    return "\n".join(f"<p>{_linked(paragraph)}</p>" for paragraph in paragraphs)


def _linked(paragraph: str) -> str:
    pieces, end = [], 0
    for url in _URL.finditer(paragraph):
        shown = html.escape(url[0])
        pieces += [html.escape(paragraph[end : url.start()]), f'<a href="{shown}">{shown}</a>']
        end = url.end()
    return "".join([*pieces, html.escape(paragraph[end:])]).replace("\n", "<br>\n")


def text_of(source: str) -> str:
    """Turn HTML into plain text: links keep their address, blocks their lines."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


class _Reader(HTMLParser):
    _UNSEEN = frozenset({"style", "script", "title", "head"})
    _ONE_LINE = frozenset({"br", "tr", "li", "div", "table"})
    _BLOCKS = frozenset({"p", "h1", "h2", "h3", "hr", "ul", "ol"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line where a block begins, and remember where a link leads."""
        self._unseen += tag in self._UNSEEN
        self._break(tag)
        if tag == "a":
            self._link = dict(attrs).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        """End a block's line, and write a link's address behind its words."""
        self._unseen -= tag in self._UNSEEN
        if tag == "a" and self._link:
            if self.pieces[-1:] != [self._link]:
                self.pieces.append(f" {self._link} ")
            self._link = ""
        if tag == "td":
            self.pieces.append(" ")
        self._break(tag)

    def handle_data(self, data: str) -> None:
        """Keep what is seen."""
        if self._unseen <= 0:
            self.pieces.append(re.sub(r"\s+", " ", data))

    def _break(self, tag: str) -> None:
        if tag in self._BLOCKS:
            self.pieces.append("\n\n")
        elif tag in self._ONE_LINE:
            self.pieces.append("\n")
