"""What arrived: the last mails, each read once somebody looks at it, with the links that it holds."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cached_property
from html.parser import HTMLParser
from itertools import count

KEPT = 5_000  # mails; the oldest go first
KEPT_BYTES = 200 * 1024 * 1024
_LINK = re.compile(r"https?://[^\s<>\"')\]]+")


@dataclass(frozen=True)
class Mail:
    """One mail as it arrived; read, however broken it is, when it is first looked at.

    Args:
        id: starts at 1 and grows.
        recipients: of the envelope, in small letters; `to` of the header may differ.
    """

    id: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @cached_property
    def _message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=default)

    @cached_property
    def subject(self) -> str:
        """The header's."""
        return str(self._message.get("subject", ""))

    @cached_property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """All of them, in order."""
        return tuple((name, str(value)) for name, value in self._message.items())

    @cached_property
    def text(self) -> str:
        """The plain part, empty if there is none."""
        return _part(self._message, "plain")

    @cached_property
    def html(self) -> str:
        """The HTML part, empty if there is none."""
        return _part(self._message, "html")

    @cached_property
    def links(self) -> tuple[str, ...]:
        """In the order of the text, then of the HTML, each once."""
        return tuple(dict.fromkeys((*_links(self.text), *_hrefs(self.html))))

    def summary(self) -> dict[str, object]:
        """What the list of mails says."""
        return {
            "id": self.id,
            "received_at": self.received_at.isoformat(),
            "from": self.sender,
            "to": list(self.recipients),
            "subject": self.subject,
        }

    def whole(self) -> dict[str, object]:
        """All of it but the raw bytes."""
        return self.summary() | {
            "headers": [list(header) for header in self.headers],
            "text": self.text,
            "html": self.html,
            "links": list(self.links),
        }


class Box:
    """The last mails, bounded in number and bytes."""

    def __init__(self, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._mails: deque[Mail] = deque()
        self._kept, self._kept_bytes, self._bytes = kept, kept_bytes, 0
        self._numbers = count(1)

    def put(self, sender: str, recipients: list[str], raw: bytes, received_at: datetime) -> Mail:
        """Keep a mail, and drop the oldest ones over the bounds."""
        envelope = tuple(address.lower() for address in recipients)
        mail = Mail(next(self._numbers), received_at, sender, envelope, raw)
        self._mails.append(mail)
        self._bytes += len(raw)
        while len(self._mails) > 1 and (len(self._mails) > self._kept or self._bytes > self._kept_bytes):
            self._bytes -= len(self._mails.popleft().raw)
        return mail

    def get(self, number: int) -> Mail | None:
        """Look a mail up by its id."""
        return next((mail for mail in self._mails if mail.id == number), None)

    def find(self, to: str = "", subject: str = "", after: int = 0) -> Iterator[Mail]:
        """Mails to an address (whole), whose subject holds a text, with a higher id; the oldest first."""
        for mail in self._mails:
            if (
                mail.id > after
                and (not to or to.lower() in mail.recipients)
                and (not subject or subject.lower() in mail.subject.lower())
            ):
                yield mail

    def clear(self) -> None:
        """Forget all; ids go on."""
        self._mails.clear()
        self._bytes = 0


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    if body is None:
        return ""
    try:
        return str(body.get_content())
    except (LookupError, ValueError):  # a charset that doesn't exist, or an encoding that isn't one
        content = body.get_payload(decode=True)
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else str(body.get_payload())


def _links(text: str) -> list[str]:
    return [found.rstrip(".,;:!?") for found in _LINK.findall(text)]


class _Hrefs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _hrefs(html: str) -> list[str]:
    parser = _Hrefs()
    parser.feed(html)
    parser.close()
    return parser.found
