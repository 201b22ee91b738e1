"""A mail's subject, text and HTML, from facts and the merchant's choices.

Promise: there is always a mail. A merchant's template that fails is told about and ours goes out instead; both parts
state the same facts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from recoup_events.settings import MailSetting, MessageSetting
from recoup_notifier.compose.domain import Facts, language_of
from recoup_notifier.compose.liquid import BadTemplate, render
from recoup_notifier.compose.twins import framed, html_of, text_of
from recoup_notifier.compose.variables import variables
from recoup_notifier.compose.words import languages, template

SUBJECT_CHARACTERS = 250

_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
"""Unicode's categories Cc and Cs, which are no text, but for the tab; and with Zl and Zp what breaks a line."""


class Origin(StrEnum):
    """Whose template a mail was made from."""

    OURS = "ours"
    MERCHANT = "merchant"
    OURS_INSTEAD = "ours_instead"  # the merchant's failed


@dataclass(frozen=True)
class Mail:
    """A mail, ready but for its addresses. `problem` says why the merchant's template was not used."""

    subject: str
    text: str
    html: str
    language: str
    origin: Origin
    problem: str | None = None


@dataclass(frozen=True)
class SwitchedOff:
    """The merchant does not want this message sent in this language."""

    language: str


def available(setting: MailSetting, kind: str) -> frozenset[str]:
    """Give the languages in which a message exists: ours, and those that the merchant wrote in whole."""
    theirs = (
        language.lower()
        for language, message in setting.messages.get(kind, {}).items()
        if message.subject and (message.text or message.html)
    )
    return languages().union(theirs)


def compose(facts: Facts, setting: MailSetting) -> Mail | SwitchedOff:
    """Write a message in the customer's language."""
    language = language_of(facts.locale, available(setting, facts.kind))
    edited = {name.lower(): message for name, message in setting.messages.get(facts.kind, {}).items()}
    message = edited.get(language)
    if message is None:
        return ours(facts, language)
    if not message.enabled:
        return SwitchedOff(language)
    if not (message.subject or message.text or message.html):
        return ours(facts, language)
    try:
        return theirs(facts, message, language)
    except BadTemplate as bad:
        return ours(facts, language, problem=str(bad))


def ours(facts: Facts, language: str, *, problem: str | None = None) -> Mail:
    """Write a message from our own templates, in English where we lack the language."""
    language = language if language in languages() else "en"
    given = variables(facts, language)
    parts = {part: template(language, facts.kind, part) for part in ("subject", "text", "html")}
    subject, text, body = (render(source, part, given) for part, source in parts.items())
    subject = one_line(subject)
    origin = Origin.OURS_INSTEAD if problem else Origin.OURS
    return Mail(subject, _tidy(text), framed(body, given, subject), language, origin, problem)


def theirs(facts: Facts, message: MessageSetting, language: str) -> Mail:
    """Write a message from the merchant's templates; the part that they did not write is made from the other.

    Raises:
        BadTemplate: one of them fails, or the subject comes out empty.
    """
    given = variables(facts, language)
    base = language if language in languages() else "en"
    subject = one_line(render(message.subject or template(base, facts.kind, "subject"), "subject", given))
    if not subject:
        raise BadTemplate("subject: it comes out empty")
    text, body = _parts(facts, message, base, given)
    return Mail(subject, _tidy(text), framed(body, given, subject), language, Origin.MERCHANT)


def _parts(facts: Facts, message: MessageSetting, base: str, given: Mapping[str, Any]) -> tuple[str, str]:
    variables_given = dict(given)
    if message.text and message.html:
        return render(message.text, "text", variables_given), render(message.html, "html", variables_given)
    if message.text:
        text = render(message.text, "text", variables_given)
        return text, html_of(text)
    if message.html:
        body = render(message.html, "html", variables_given)
        return text_of(body), body
    text, body = (template(base, facts.kind, part) for part in ("text", "html"))
    return render(text, "text", variables_given), render(body, "html", variables_given)


def one_line(subject: str) -> str:
    """Make a subject of what a template gave: one line without control characters, at most 250 characters."""
    return re.sub(" +", " ", _BREAKS.sub(" ", subject)).strip()[:SUBJECT_CHARACTERS]


def _tidy(text: str) -> str:
    """End lines as Unix does, drop control characters, end with one newline."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = (_CONTROLS.sub("", line).rstrip() for line in lines)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"
