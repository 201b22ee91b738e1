"""The mail sink: what is sent is shown, safely, and memory is bounded."""

import asyncio
import json
import smtplib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage

import aiohttp
import pytest
import pytest_asyncio

from recoup_local.mail.box import Box

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Sink:
    smtp_port: int
    http: aiohttp.ClientSession

    async def send(self, message: EmailMessage | bytes, to: str = "ada@example.com") -> None:
        raw = message if isinstance(message, bytes) else bytes(message)
        await asyncio.to_thread(self._send, raw, to)

    def _send(self, raw: bytes, to: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as client:
            client.sendmail("billing@example.org", [to], raw)

    async def messages(self, **query: str) -> list[dict[str, object]]:
        async with self.http.get("/api/messages", params=query) as answer:
            answer.raise_for_status()
            return list((await answer.json())["messages"])

    async def page(self, path: str) -> tuple[str, str]:
        async with self.http.get(path) as answer:
            answer.raise_for_status()
            return await answer.text(), answer.headers["Content-Security-Policy"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sink() -> AsyncIterator[Sink]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "recoup_local.mail", "--smtp-port", "0", "--http-port", "0", "--keep", "20"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    places = json.loads(await process.stdout.readline())
    async with aiohttp.ClientSession(f"http://127.0.0.1:{places['http_port']}") as http:
        yield Sink(places["smtp_port"], http)
    process.terminate()
    assert await process.wait() == 0


def letter(subject: str = "Your payment failed", text: str = "Pay: https://pay.example/t1.") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Billing <billing@example.org>"
    message["To"] = "Ada <ada@example.com>"
    message.set_content(text)
    return message


async def test_a_mail_is_listed_with_its_text_html_and_links(sink: Sink) -> None:
    message = letter(subject="Zahlung fehlgeschlagen: 12,50 €")
    message.add_alternative(
        '<p>Pay <a href="https://pay.example/t2?a=1&amp;b=2">here</a></p>', subtype="html"
    )
    await sink.send(message, to="Grace@Example.com")
    (mail,) = await sink.messages(to="grace@example.com")
    assert mail["subject"] == "Zahlung fehlgeschlagen: 12,50 €"
    assert mail["to"] == ["grace@example.com"]
    assert "Pay: https://pay.example/t1." in str(mail["text"])
    assert mail["links"] == ["https://pay.example/t1", "https://pay.example/t2?a=1&b=2"]
    async with sink.http.get(f"/api/messages/{mail['id']}/raw") as answer:
        assert b"multipart/alternative" in await answer.read()


async def test_mails_are_found_by_address_subject_and_id(sink: Sink) -> None:
    for number in range(3):
        await sink.send(letter(subject=f"Reminder {number}"), to="alan@example.com")
    found = await sink.messages(to="alan@example.com")
    assert [mail["subject"] for mail in found] == ["Reminder 0", "Reminder 1", "Reminder 2"]
    assert await sink.messages(to="alan@example.com", subject="reminder 1") == [found[1]]
    assert await sink.messages(to="alan@example.com", after=str(found[1]["id"])) == [found[2]]
    assert await sink.messages(to="alan@example.com", limit="1") == [found[0]]
    assert await sink.messages(to="alan") == []


async def test_html_of_a_mail_can_run_nothing_and_load_nothing(sink: Sink) -> None:
    evil = '<script>alert(1)</script><img src="https://tracker.example/x.gif">'
    message = letter(subject="<script>alert(2)</script>", text='"><script>alert(3)</script>')
    message.add_alternative(evil + '<a href="javascript:alert(4)">x</a>', subtype="html")
    await sink.send(message, to="eve@example.com")
    (mail,) = await sink.messages(to="eve@example.com")
    for path in ("/", f"/messages/{mail['id']}"):
        page, policy = await sink.page(path)
        assert "<script>" not in page
        assert 'href="javascript' not in page
        assert "default-src 'none'" in policy
    page, policy = await sink.page(f"/messages/{mail['id']}")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    framed, policy = await sink.page(f"/messages/{mail['id']}/html")
    assert evil in framed
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "img-src data:" in policy


async def test_a_page_elsewhere_cannot_read_the_mails(sink: Sink) -> None:
    async with sink.http.get("/api/messages", headers={"Host": "evil.example:80"}) as answer:
        assert answer.status == 421


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=1e9", "limit=٣"])
async def test_a_number_that_is_none_is_refused(sink: Sink, query: str) -> None:
    async with sink.http.get(f"/api/messages?{query}") as answer:
        assert answer.status == 422


async def test_a_mail_that_is_unknown_is_not_found(sink: Sink) -> None:
    async with sink.http.get("/messages/999999999") as answer:
        assert answer.status == 404


async def test_a_huge_mail_is_refused(sink: Sink) -> None:
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        await sink.send(letter(text="x\n" * 2_000_000), to="big@example.com")
    assert refused.value.smtp_code == 552
    assert await sink.messages(to="big@example.com") == []


async def test_only_the_last_mails_are_kept(sink: Sink) -> None:
    for number in range(25):
        await sink.send(letter(subject=str(number)), to="many@example.com")
    kept = await sink.messages()
    assert [mail["subject"] for mail in kept] == [str(number) for number in range(5, 25)]
    async with sink.http.delete("/api/messages") as answer:
        assert answer.status == 204
    assert await sink.messages() == []


def test_bytes_are_bounded_too() -> None:
    box = Box(kept=100, kept_bytes=1000)
    for _ in range(10):
        box.put("a@example.org", ["b@example.com"], b"Subject: x\n\n" + b"y" * 388, NOW)
    assert [mail.id for mail in box.find()] == [9, 10]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"Content-Type: text/plain; charset=klingon\n\nnuqneH",
        b"Content-Type: multipart/alternative; boundary=x\n\n--x\nnothing",
        b"Subject: =?utf-8?b?!!!?=\nContent-Transfer-Encoding: base64\n\n%%%",
        b"Content-Type: text/html\n\n<a href=<<a href='",
    ],
)
def test_a_broken_mail_is_kept_all_the_same(raw: bytes) -> None:
    mail = Box().put("a@example.org", ["b@example.com"], raw, NOW)
    assert mail.raw == raw
    assert json.dumps(mail.whole())
