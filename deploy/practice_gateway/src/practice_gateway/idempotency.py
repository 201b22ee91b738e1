"""Idempotency keys of one account: the first answer is kept and played back, whatever it was.

Source: docs.stripe.com/api/idempotent_requests: the status and body of the first request are saved once its
endpoint began to execute, 500s included; keys go after at least 24 hours, by the real clock.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass

from practice_gateway.errors import invalid_request, key_in_use, key_reused

MAX_KEY = 255


@dataclass(slots=True)
class Entry:
    """A key's request and, once there is one, its answer."""

    fingerprint: bytes
    request_id: str
    since: float
    status: int | None = None
    body: bytes = b""


class IdempotencyKeys:
    """Keys with the requests they belong to. lifetime: real seconds."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def begin(self, key: str, fingerprint: bytes, request_id: str) -> Entry | None:
        """Claim a key for a request, or return the entry that already has its answer.

        Raises:
            StripeError: 409 while the first request runs, 400 when the key comes with another request.
        """
        if len(key) > MAX_KEY:
            raise invalid_request(f"An idempotency key has at most {MAX_KEY} characters.")
        now = time.time()
        self._expire(now)
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = Entry(fingerprint, request_id, now)
            return None
        if entry.fingerprint != fingerprint:
            raise key_reused(key)
        if entry.status is None:
            raise key_in_use(key)
        return entry

    def finish(self, key: str, status: int, body: bytes) -> None:
        """Keep the answer of a request that was executed."""
        entry = self._entries[key]
        entry.status, entry.body = status, body

    def release(self, key: str) -> None:
        """Forget a request that never began to execute."""
        self._entries.pop(key, None)

    def _expire(self, now: float) -> None:
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if entry.since > now - self.lifetime or entry.status is None:
                return
            del self._entries[key]


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """Return what tells one request from another."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).digest()
