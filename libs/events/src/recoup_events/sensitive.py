"""Card numbers, their check codes and secrets, typed where none belongs; the standard library only.

Promise: what `hidden` gives holds no card number in any usual way of writing one, no check code that is called one
and no gateway's secret key; it is as long as before, and still JSON if it was. It is applied where bytes come in,
before anything stores, tells or logs them (PCI DSS 3.3 and 3.5).
"""

import re

_BETWEEN = rb"(?:[ .\-]|\xc2\xa0|\\u00a0)?"
_BEGINS = rb"(?:(?<![0-9A-Za-z_-])|(?<=\\[nrtbf])|(?<=\\u00a0))"
_RUN = re.compile(_BEGINS + rb"[0-9](?:" + _BETWEEN + rb"[0-9]){13,}(?![0-9A-Za-z_-])")
"""Digits that stand by themselves: those within an id, such as a UUID, are no card number."""

_PACKED = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * 14
_LENGTHS = (16, 15, 14, 19)
_ISSUED = re.compile(
    rb"4[0-9]{15}(?:[0-9]{3})?"  # Visa
    rb"|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"  # Mastercard
    rb"|3[47][0-9]{13}"  # American Express
    rb"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners Club
    rb"|35[0-9]{14}"  # JCB
    rb"|6[0-9]{15}(?:[0-9]{3})?"  # Discover, UnionPay, Maestro
)
"""Lengths and first digits in use (ISO/IEC 7812-1; the brands' public BIN ranges, July 2026)."""

_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")


_CODE = re.compile(
    rb"((?:[cC][vV][cCvVnN]2?|[cC][sS][cC]|[sS]ecurity[ _]?[cC]ode)[\"':=# ._\\/|-]{0,6})([0-9]{3,4})(?![0-9])"
)
_NEAR = bytes.maketrans(b"123456789ABCDEFGHIJKLMNOPQRSTUVWXYZvns", b"000000000abcdefghijklmcopqrctucwxyzccc")
_CALLED = (b"ccc000", b"cecuritycode000")
"""Names of check codes before digits, where v, n and s are read as c: one look finds cvc, cvv, cvn and csc."""

_KEY = re.compile(rb"((?:sk|rk|pk)_(?:live|test)_|whsec_|\brk_(?=[A-Za-z0-9_-]{40}))([A-Za-z0-9+/=_-]{8,})")
_OF_STRIPE = (b"s", b"r", b"p"), (b"live_", b"test_")
_OF_OTHERS = (b'"r', b" r", b"=r")
"""What stands around, or before, the `k_` of a key."""


def hidden(text: bytes) -> bytes:
    """Write zeros for all but the first digit of each card number, for check codes and for keys."""
    if _may_hold_number(text):
        text = _RUN.sub(lambda run: _without(run[0]), text)
    if _may_hold_code(text):
        text = _CODE.sub(lambda code: code[1] + b"0" * len(code[2]), text)
    if _may_hold_key(text):
        text = _KEY.sub(lambda key: key[1] + b"0" * len(key[2]), text)
    return text


def found_in(text: bytes) -> str | None:
    """Say what is written here that should not be, or None."""
    if _may_hold_number(text) and any(_first(_digits(run)[0]) for run in _RUN.findall(text)):
        return "a card number"
    if _may_hold_code(text) and any(code.strip(b"0") for _, code in _CODE.findall(text)):
        return "a card's check code"
    if _may_hold_key(text) and any(key.strip(b"0") for _, key in _KEY.findall(text)):
        return "a secret key"
    return None


def _may_hold_number(text: bytes) -> bool:
    """Tell whether digits enough stand together: most texts have none, and this takes a microsecond."""
    return _LONG in text.translate(_PACKED, b" .-ua\\\xc2\xa0")


def _may_hold_code(text: bytes) -> bool:
    near = text.translate(_NEAR, b" \"':=#._\\/|-")
    return any(name in near for name in _CALLED)


def _may_hold_key(text: bytes) -> bool:
    """Tell whether a key may begin here. A look for each of their beginnings would cost more than all else here."""
    kinds, modes = _OF_STRIPE
    before, *after = text.split(b"k_")
    for rest in after:
        if (rest.startswith(modes) and before.endswith(kinds)) or before.endswith(_OF_OTHERS):
            return True
        before = rest
    return b"whsec_" in text


def _without(run: bytes) -> bytes:
    changed = bytearray(run)
    while True:
        digits, places = _digits(bytes(changed))
        found = _first(digits)
        if found is None:
            return bytes(changed)
        for place in places[found.start + 1 : found.stop]:
            changed[place] = ord("0")


def _digits(run: bytes) -> tuple[bytes, list[int]]:
    """Give a run's digits and where they stand, without those that only write a blank."""
    bare = run.replace(rb"\u00a0", b" " * 6)
    places = [place for place, letter in enumerate(bare) if 0x30 <= letter <= 0x39]
    return bytes(bare[place] for place in places), places


def _first(digits: bytes) -> range | None:
    """Give the places of the first card number."""
    for begin in range(len(digits) - min(_LENGTHS) + 1):
        for length in _LENGTHS:
            number = digits[begin : begin + length]
            if len(number) == length and _ISSUED.fullmatch(number) and _adds_up(number):
                return range(begin, begin + length)
    return None


def _adds_up(number: bytes) -> bool:
    """Luhn: every second digit from the right doubled, its digits added; the sum is a multiple of ten."""
    doubled = number[-2::-2].translate(_DOUBLED)
    return (sum(doubled) + sum(number[-1::-2]) - 0x30 * len(number)) % 10 == 0
