"""Requests that a forger would send, drawn by seed, with the genuine ones that come between them.

Promise: no forgery here is acceptable: each lacks what only an account's gateway has, or speaks for another account.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .adapter_door import Account
from .ingest_wire import Post, signature, signed
from .stripe_bodies import failed_charge

TOLERANCE = 300
"""Seconds that a signature is good for; what is older is stale."""


@dataclass(frozen=True)
class Street:
    """The accounts that are posted to. All but the last two let webhooks in.

    Attributes:
        first, neighbour: of one merchant; stranger: of another; live: of the first, in live mode.
        turned: its secret was changed to `turned.secret`, the one before it is no longer good.
        turning: its secret is being changed: the one before it, `turning_old`, is still good.
    """

    first: Account
    neighbour: Account
    stranger: Account
    live: Account
    turned: Account
    turned_old: str
    turning: Account
    turning_old: str
    closed: Account

    @property
    def open(self) -> tuple[Account, ...]:
        """Give the accounts that let webhooks in."""
        return self.first, self.neighbour, self.stranger, self.live, self.turned, self.turning


@dataclass(frozen=True)
class Try:
    """One request; `genuine` is the charge that it tells, None for a forgery of a kind."""

    post: Post
    kind: str
    genuine: str | None = None


Forge = Callable[["Forger", str, Account, bytes], Post]


class Forger:
    """Draws requests."""

    def __init__(self, street: Street, seed: int) -> None:
        self.street, self.draw, self.run = street, random.Random(seed), f"{seed}_{time.time_ns():x}"

    def tries(self, forgeries: int) -> Iterator[Try]:
        """Draw so many forgeries, and a genuine webhook for about every fifth."""
        kinds = sorted(KINDS)
        for number in range(forgeries):
            kind = kinds[number % len(kinds)]
            account = self.draw.choice(self.street.open)
            name = f"forged_{self.run}_{number}"
            body = failed_charge(f"evt_{name}", f"ch_{name}", livemode=account.livemode)
            yield Try(KINDS[kind](self, name, account, body), kind)
            if self.draw.random() < 0.2:
                yield self._genuine(number)

    def _genuine(self, number: int) -> Try:
        account = self.draw.choice(self.street.open)
        charge = f"ch_genuine_{self.run}_{number}"
        body = failed_charge(f"evt_{charge}", charge, livemode=account.livemode)
        good = account.secret
        if account is self.street.turning:
            good = self.draw.choice((account.secret, self.street.turning_old))
        age = self.draw.uniform(0, TOLERANCE - 100)
        return Try(signed(account.path, body, good, time.time() - age), "genuine", charge)

    def flipped(self, text: bytes) -> bytes:
        """Flip one bit; a line's end is no part of a header, so it is left out."""
        while True:
            place, bit = self.draw.randrange(len(text)), 1 << self.draw.randrange(8)
            changed = text[place] ^ bit
            if changed not in b"\r\n":
                return text[:place] + bytes([changed]) + text[place + 1 :]


def _header(post: Post, value: bytes) -> Post:
    return replace(post, headers=((b"stripe-signature", value),))


def _now() -> int:
    return int(time.time())


def _body_flipped(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    return replace(signed(account.path, body, account.secret, _now()), body=forger.flipped(body))


def _signature_flipped(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    return _header(Post(account.path, body, ()), forger.flipped(signature(body, account.secret, _now())))


def _body_cut(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    return replace(
        signed(account.path, body, account.secret, _now()), body=body[: forger.draw.randrange(len(body))]
    )


def _stale(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    age = TOLERANCE + 1 + forger.draw.choice((1, 10, 3_600, 72 * 3_600, 400 * 86_400))
    return signed(account.path, body, account.secret, _now() - age)


def _renewed(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    """Give an old signature a new time."""
    old = signature(body, account.secret, _now() - 3_600)
    fresh = _now() + forger.draw.choice((-10, 0, 10, 3_600, 10**9))
    return _header(Post(account.path, body, ()), f"t={fresh},".encode() + old.partition(b",")[2])


def _two_times(_: Forger, __: str, account: Account, body: bytes) -> Post:
    """Say the time twice: one that is signed, one that is now."""
    old = signature(body, account.secret, _now() - 3_600)
    return _header(Post(account.path, body, ()), old + f",t={_now()}".encode())


def _strangers_secret(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    others = [other.secret for other in forger.street.open if other.secret != account.secret]
    return signed(account.path, body, forger.draw.choice(others), _now())


def _retired_secret(forger: Forger, name: str, _: Account, __: bytes) -> Post:
    turned = forger.street.turned
    return signed(turned.path, failed_charge(f"evt_{name}", f"ch_{name}"), forger.street.turned_old, _now())


def _guessed_secret(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    guesses = (
        "",
        "whsec_",
        account.account_id,
        account.merchant_id,
        account.secret[:-1],
        account.secret + "x",
    )
    return signed(account.path, body, forger.draw.choice(guesses), _now())


def _wrong_mode(_: Forger, name: str, account: Account, __: bytes) -> Post:
    body = failed_charge(f"evt_{name}", f"ch_{name}", livemode=not account.livemode)
    return signed(account.path, body, account.secret, _now())


def _speaks_for_another(forger: Forger, name: str, account: Account, _: bytes) -> Post:
    other = next(one for one in forger.street.open if one is not account)
    body = failed_charge(f"evt_{name}", f"ch_{name}", livemode=account.livemode, account=other.account_id)
    return signed(account.path, body, account.secret, _now())


def _weaker_scheme(_: Forger, __: str, account: Account, body: bytes) -> Post:
    return _header(Post(account.path, body, ()), signature(body, account.secret, _now(), "v0"))


def _not_ascii(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    good = signature(body, account.secret, _now())
    strange = forger.draw.choice((b"\xff", "é".encode(), "é".encode("latin-1"), b"\xf0\x9d\x9f\x9c", b"\xc3"))
    place = forger.draw.randrange(len(good))
    return _header(Post(account.path, body, ()), good[:place] + strange + good[place:])


def _strange_header(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    now = str(_now()).encode()
    strange = (
        b"", b"t=", b"v1=", b"t=,v1=", b"t=" + now, b"t=" + now + b",v1=", b"t=nan,v1=00", b"t=" + b"9" * 400,
        b"t=-1,v1=00", b"t=0x10,v1=00", b"t=" + now + b",v1=" + b"0" * 64, b"," * 1000, b"v1=" + b"=" * 500,
    )  # fmt: skip
    return _header(Post(account.path, body, ()), forger.draw.choice(strange))


def _unsigned(_: Forger, __: str, account: Account, body: bytes) -> Post:
    return Post(account.path, body, ())


def _closed_account(forger: Forger, _: str, __: Account, body: bytes) -> Post:
    return signed(forger.street.closed.path, body, forger.street.closed.secret, _now())


def _no_such_door(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    good = signed(account.path, body, account.secret, _now())
    paths = ("/", "/webhooks", "/webhooks/adyen/" + account.account_id, account.path + "/", account.path.upper(),
             account.path + "%00", "/webhooks/stripe/" + "a" * 65, "/webhooks//" + account.account_id,
             "/webhooks/stripe/../" + account.account_id, "/webhooks/stripe/acct_%F0%9F%92%A3")  # fmt: skip
    return replace(good, path=forger.draw.choice(paths))


def _other_method(forger: Forger, _: str, account: Account, body: bytes) -> Post:
    good = signed(account.path, body, account.secret, _now())
    return replace(good, method=forger.draw.choice(("PUT", "PATCH", "DELETE", "GET", "OPTIONS")))


KINDS: dict[str, Forge] = {
    "a bit of the body flipped": _body_flipped,
    "a bit of the signature flipped": _signature_flipped,
    "the body cut": _body_cut,
    "stale": _stale,
    "stale with a new time": _renewed,
    "stale with two times": _two_times,
    "signed with another account's secret": _strangers_secret,
    "signed with a retired secret": _retired_secret,
    "signed with a guessed secret": _guessed_secret,
    "in the wrong mode": _wrong_mode,
    "for another account": _speaks_for_another,
    "under a weaker scheme": _weaker_scheme,
    "with a signature that is not ASCII": _not_ascii,
    "with a strange header": _strange_header,
    "unsigned": _unsigned,
    "to an account that is switched off": _closed_account,
    "to a door that is nobody's": _no_such_door,
    "by another method": _other_method,
}
