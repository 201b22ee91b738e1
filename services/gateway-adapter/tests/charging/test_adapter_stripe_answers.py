"""What Stripe's answers to a charge mean, by status and code (docs.stripe.com/error-codes)."""

from datetime import timedelta
from typing import Any

import pytest

from recoup_gateway_adapter.charging.domain import (
    Answer,
    InFlight,
    NoAnswer,
    Refused,
    Unprocessed,
    idempotency_key,
)
from recoup_gateway_adapter.gateways.stripe.charges import (
    REFUSED_FOR,
    THROTTLED_FOR,
    UNREACHABLE_FOR,
    meaning_of,
    pay_body,
)
from recoup_gateway_adapter.gateways.stripe.client import Answered, Reply, Silence, encoded, segment


def answered(status: int, retry_after: float | None = None, **error: Any) -> Answered:
    return Answered(status, {"error": error}, "req_1", retry_after)


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (Silence("timeout", reached=True), NoAnswer("timeout")),
        (Silence("ClientConnectorError", reached=False), Unprocessed("not_reached", UNREACHABLE_FOR)),
        (answered(400, code="resource_missing"), Refused("resource_missing")),
        (answered(400, type="invalid_request_error"), Refused("invalid_request_error")),
        (answered(400, type="idempotency_error"), NoAnswer("key_reused")),
        (answered(401, type="invalid_request_error"), Unprocessed("account_refused", REFUSED_FOR)),
        (answered(403, code="permission_denied"), Unprocessed("account_refused", REFUSED_FOR)),
        (answered(404, code="resource_missing"), Refused("resource_missing")),
        (answered(409, code="idempotency_key_in_use"), InFlight()),
        (answered(409, code="lock_timeout"), Unprocessed("throttled", THROTTLED_FOR)),
        (answered(429, code="rate_limit"), Unprocessed("throttled", THROTTLED_FOR)),
        (answered(429, code="lock_timeout"), Unprocessed("throttled", THROTTLED_FOR)),
        (answered(429, retry_after=3.0), Unprocessed("throttled", timedelta(seconds=3))),
        (answered(500, type="api_error"), NoAnswer("http_500")),
        (answered(503), NoAnswer("http_503")),
        (answered(302), NoAnswer("http_302")),
    ],
)
def test_an_answer_that_is_no_outcome_says_whether_the_request_was_processed(
    reply: Reply, means: Answer
) -> None:
    assert meaning_of(reply) == means


def test_a_word_of_the_gateway_can_stand_in_an_event() -> None:
    assert Answered(400, {"error": {"code": "odd\x00 code" * 20}}).code == ("odd__code" * 20)[:64]


def test_the_bytes_of_a_charge_are_the_same_each_time() -> None:
    assert pay_body("pm_1", off_session=True) == b"off_session=true&payment_method=pm_1"
    assert pay_body(None, off_session=False) == b"off_session=false"
    assert encoded([("expand[]", "a b"), ("url", "https://x/?a=1&b=2")]) == (
        b"expand[]=a+b&url=https%3A%2F%2Fx%2F%3Fa%3D1%26b%3D2"
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [("in_1", "in_1"), ("../charges/ch_1", "..%2Fcharges%2Fch_1"), ("..", "-"), ("a?b#c", "a%3Fb%23c")],
)
def test_an_id_never_leads_to_another_path(name: str, written: str) -> None:
    assert segment(name) == written


def test_a_key_is_one_of_its_invoice_and_number_and_never_too_long() -> None:
    assert idempotency_key("m_1", "acct_1", "in_1", 2) == "recoup:m_1:acct_1:in_1:2"
    long = [idempotency_key("m_1", "acct_1", "in_" + "x" * 250 + end, n) for end in "ab" for n in (1, 2)]
    assert len(set(long)) == 4
    assert max(map(len, long)) <= 255
