"""Identifiers in Stripe's form: a prefix that tells the object, then letters and digits."""

import random
import string

ALPHABET = string.ascii_letters + string.digits
_random = random.SystemRandom()
_fast = random.Random(_random.getrandbits(128))


def new_id(prefix: str, length: int = 24) -> str:
    """Return a new identifier of `length` hexadecimal digits; unique in practice, not secret."""
    return f"{prefix}_{_fast.getrandbits(4 * length):0{length}x}"


def new_secret(prefix: str, length: int = 32) -> str:
    """Return something that nobody can guess: API keys, webhook secrets, page addresses."""
    return f"{prefix}{''.join(_random.choices(ALPHABET, k=length))}"
