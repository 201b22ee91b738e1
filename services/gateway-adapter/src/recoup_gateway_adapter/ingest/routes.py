"""`POST /webhooks/{gateway}/{account}`: a bare ASGI handler, for it has to bear every gateway's bursts.

Promise: the signature is checked on the raw bytes before anything reads them; 2xx is answered only after the
commit that stores the webhook; bad input gets 4xx and a counted reason, never 5xx; what we can't take now gets
503 and comes again.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from recoup_chassis.errors import Unprocessable, is_retryable
from recoup_chassis.http import answer
from recoup_chassis.telemetry import log
from recoup_events.sensitive import hidden
from recoup_gateway_adapter.accounts.domain import WebhookDoor
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.gateways.stripe.events import Envelope, envelope_of
from recoup_gateway_adapter.gateways.stripe.signature import is_signed
from recoup_gateway_adapter.ingest.batches import Batches, Full
from recoup_gateway_adapter.ingest.domain import BODY_BYTES, STATUS, Reason, Webhook
from recoup_gateway_adapter.ingest.metrics import ANSWER_SECONDS, REFUSED

PATH = re.compile(r"^/webhooks/(?P<gateway>[a-z]{2,20})/(?P<account>[a-zA-Z0-9_-]{3,64})$")

BODY_COMES_WITHIN = 15.0
"""Seconds from the headers to the last byte."""

SIGNATURE_HEADER = b"stripe-signature"
RETRY_AFTER = (b"retry-after", b"5")

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Refused(Exception):
    """The webhook is not let in."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Ingest:
    """The ASGI application of the ingest port."""

    def __init__(self, doors: Doors, batches: Batches) -> None:
        self._doors, self._batches = doors, batches

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        try:
            await self._let_in(scope, receive)
        except Refused as refused:
            await _refuse(send, refused.reason)
        except Full:
            await _refuse(send, Reason.BUSY)
        except Exception as error:  # noqa: BLE001  # whatever it is, the gateway must come again
            if not is_retryable(error):
                log.error("ingest.failed", error=type(error).__name__, exc_info=error)
            await _refuse(send, Reason.UNAVAILABLE)
        else:
            await answer(send, 200, b"")  # a body would be a second packet, which nobody reads
        ANSWER_SECONDS.observe(time.perf_counter() - began)

    async def _let_in(self, scope: Mapping[str, Any], receive: Receive) -> None:
        found = PATH.match(scope["path"])
        if found is None:
            raise Refused(Reason.NOT_FOUND)
        if scope["method"] != "POST":
            raise Refused(Reason.METHOD)
        headers = {name.lower(): value for name, value in scope["headers"]}
        door = await self._doors.get(found["account"])
        if door is None or not door.enabled or door.gateway != found["gateway"]:
            raise Refused(Reason.NOT_FOUND)
        body = await _body(headers, receive)
        now = datetime.now(UTC)
        if not is_signed(body, headers.get(SIGNATURE_HEADER), door.secrets(now), now.timestamp()):
            raise Refused(Reason.SIGNATURE)
        body = hidden(body)  # what a customer typed into a name must not rest here
        await self._batches.store(_webhook(door, _envelope(body, door), body))


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Read the body, but never more of it than is let in."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced[:20]) > BODY_BYTES:
        raise Refused(Reason.TOO_LARGE)
    chunks: list[bytes] = []
    length = 0
    try:
        async with asyncio.timeout(BODY_COMES_WITHIN):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(Reason.CUT_OFF)
                chunks.append(message.get("body", b""))
                length += len(chunks[-1])
                if length > BODY_BYTES:
                    raise Refused(Reason.TOO_LARGE)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise Refused(Reason.CUT_OFF) from None


def _envelope(body: bytes, door: WebhookDoor) -> Envelope:
    try:
        event = from_json(body, cache_strings="keys")  # a third of the standard library's time
    except ValueError:
        raise Refused(Reason.JSON) from None
    try:
        envelope = envelope_of(event)
    except Unprocessable:
        raise Refused(Reason.SCHEMA) from None
    if envelope.livemode is not None and envelope.livemode != door.livemode:
        raise Refused(Reason.LIVEMODE)
    if envelope.account is not None and envelope.account != door.account_id:
        raise Refused(Reason.ACCOUNT)
    return envelope


def _webhook(door: WebhookDoor, envelope: Envelope, body: bytes) -> Webhook:
    return Webhook(
        merchant_id=door.merchant_id,
        account_id=door.account_id,
        webhook_id=envelope.webhook_id,
        event_at=envelope.at,
        event_type=envelope.event_type,
        customer_id=envelope.customer_id,
        body=body,
    )


async def _refuse(send: Any, reason: Reason) -> None:
    REFUSED.labels(reason.value).inc()
    status = STATUS[reason]
    await answer(send, status, f"{reason.value}\n".encode(), headers=[RETRY_AFTER] if status == 503 else [])
