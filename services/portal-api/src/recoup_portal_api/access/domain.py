"""The form of keys, tokens and form marks, their hashes at rest, their lives, and how often one may knock.

Promise: no secret is ever stored, only what is computed from it; random bytes and instants are arguments.
"""

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

API_KEY_PREFIX = "rk_"
SECRET_BYTES = 32
"""Random bytes in every key, token and session."""

SIGN_IN_LINK_LIVES = timedelta(minutes=10)
"""Real time."""

SIGN_IN_MAILS, SIGN_IN_MAILS_WITHIN = 3, timedelta(minutes=15)
"""At most so many mails to one address within this real time."""

SESSION_IDLE, SESSION_LIVES = timedelta(minutes=30), timedelta(hours=12)
"""Real time since the last request, and since the sign-in."""


@dataclass(frozen=True)
class Principal:
    """A merchant's program, by its API key."""

    merchant_id: str
    key_id: UUID

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        return f"key:{self.key_id}"


def api_key(random: bytes) -> str:
    """Write a new API key from 32 random bytes."""
    return API_KEY_PREFIX + token(random)


def token(random: bytes) -> str:
    """Write random bytes for a URL or a cookie."""
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def hash_of(secret: str) -> bytes:
    """Give what is kept of a secret of 32 random bytes: SHA-256, which nobody can guess a way back through."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def bearer(authorization: str | None) -> str | None:
    """Read an API key from an Authorization header; None where it can't be one."""
    scheme, _, given = (authorization or "").partition(" ")
    given = given.strip()
    if scheme.lower() != "bearer" or not given.startswith(API_KEY_PREFIX) or len(given) > 100:
        return None
    return given


class Marks:
    """What our secret vouches for: addresses without storing them, forms without storing them either."""

    def __init__(self, secret: bytes) -> None:
        self._contact = _derived(secret, "contact")
        self._form = _derived(secret, "form")

    def contact(self, merchant_id: str, address: str) -> bytes:
        """Give the keyed hash of an e-mail address, without regard to case and blanks around it."""
        normal = address.strip().casefold()
        return _mac(self._contact, merchant_id, normal)

    def form(self, page: str, holder: str) -> str:
        """Give the mark that a page's forms must carry.

        Args:
            page: which page's forms, so that one page's mark is of no use on another.
            holder: what only the reader of the page has: the pay link, the session or a cookie.
        """
        return token(_mac(self._form, page, holder))

    def is_form(self, page: str, holder: str, given: str) -> bool:
        """Tell in constant time whether a form was ours."""
        return hmac.compare_digest(self.form(page, holder).encode(), given.encode("utf-8", "surrogateescape"))


def _derived(secret: bytes, purpose: str) -> bytes:
    return _mac(secret, "recoup portal", purpose)


def _mac(key: bytes, *parts: str) -> bytes:
    message = "\0".join(parts).encode("utf-8", "surrogateescape")
    return hmac.new(key, message, hashlib.sha256).digest()


def session_is_alive(*, seen_at: datetime, expires_at: datetime, now: datetime) -> bool:
    """Tell whether a session may still be used; all real time, UTC."""
    return now < expires_at and now - seen_at < SESSION_IDLE


class Buckets:
    """How often somebody may knock: a token bucket for each name, the least recent forgotten first.

    Args:
        capacity: how many at once.
        per_second: how fast a bucket fills again.
        clock: monotonic seconds.
        names: how many names are remembered.
    """

    def __init__(
        self, *, capacity: float, per_second: float, clock: Callable[[], float], names: int = 50_000
    ) -> None:
        self._capacity, self._rate, self._clock, self._names = capacity, per_second, clock, names
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Give the seconds until this name may knock again; 0 when it may now. Takes nothing."""
        return max(0.0, (1 - self._level(name)) / self._rate)

    def take(self, name: str) -> float:
        """Take one; give 0, or the seconds to wait when there was none to take."""
        level = self._level(name)
        if level < 1:
            return (1 - level) / self._rate
        self._levels[name] = (level - 1, self._clock())
        self._levels.move_to_end(name)
        while len(self._levels) > self._names:
            self._levels.popitem(last=False)
        return 0.0

    def _level(self, name: str) -> float:
        level, at = self._levels.get(name, (self._capacity, self._clock()))
        return min(self._capacity, level + (self._clock() - at) * self._rate)
