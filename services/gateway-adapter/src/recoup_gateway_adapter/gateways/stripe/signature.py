"""Stripe's signature over a webhook's raw bytes, by the official package's own check.

Header `Stripe-Signature: t=<unix>,v1=<hex>[,v1=…]`: HMAC-SHA256 of `<t>.<body>`, keyed with the whole secret
(docs.stripe.com/webhooks/signature). Constant time; too old after 300 s of real time. As in the official package a
time in the future is no reason to refuse: only the secret's owner can have signed it.
"""

from collections.abc import Sequence

from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE_SECONDS = 300


def is_signed(body: bytes, header: bytes | None, secrets: Sequence[str], now: float) -> bool:
    """Tell whether one of the secrets signed this body, at most 300 s ago.

    Args:
        now: real time, Unix seconds.
    """
    if not header:
        return False
    try:
        signature, payload = header.decode("latin-1"), body.decode()
    except UnicodeDecodeError:
        return False
    return any(_verifies(payload, signature, secret) for secret in secrets) and _age(signature, now) <= (
        TOLERANCE_SECONDS
    )


def _verifies(payload: str, signature: str, secret: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(payload, signature, secret))
    except (SignatureVerificationError, TypeError, ValueError, OverflowError):
        return False  # TypeError: a signature that is not ASCII


def _age(signature: str, now: float) -> float:
    """Give seconds since signing, by the first `t`, which is the one that the package verifies."""
    stamp = next(part for part in signature.split(",") if part.startswith("t="))
    return now - int(stamp.split("=", 2)[1])
