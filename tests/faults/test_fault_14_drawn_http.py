"""Requests drawn from the OpenAPI description, good and bad, as a merchant: the checks of schemathesis hold.

Promise: no answer of 500 and above, none that the description does not have, nothing accepted that it forbids. Two
checks are replaced. What fits the schema may still be refused by a rule that JSON Schema can't say (steps in order, a
time zone that exists, an address that this installation allows), but then the answer says which field, and why. And
what was accepted is asked again without a key and with a wrong one from the same address of this machine, for the
library's own check would ask from one address and be slowed down for it.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from requests.adapters import HTTPAdapter
from schemathesis import Case, GenerationMode, Response
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance
from tests.conftest import OpenSandbox

from recoup_local.house import House
from recoup_local.sandbox import Sandbox

from .rows import ROWS
from .tally import Tally

PART = "requests"
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
KEYS = 8
"""The API answers 429 to a key that asks more than 50 times a second; requests take turns."""

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(PART)
@pytest.mark.timeout(600 + ROWS[14].parts[0].size // 5)
async def test_whatever_is_drawn_from_the_description_is_answered_as_it_says(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    wanted = tally.size(PART)
    sandbox = await merchant()
    keys = [(await sandbox.api.call("POST", "/keys", {"name": f"drawn {n}"}))["api_key"] for n in range(KEYS)]
    async with aiohttp.ClientSession() as http, http.get(f"{house.portal_url}/v1/openapi.json") as answer:
        description = await answer.json()
    drawing = _Drawing(house, sandbox, description, keys, tally.seed)
    operations = len(drawing.operations)
    await asyncio.to_thread(drawing.until, wanted)
    sys.stdout.write(f"{operations} operations: {dict(sorted(drawing.statuses.items()))}\n")
    sys.stdout.write("\n\n".join(drawing.complaints))
    assert len(drawing.complaints) == 0
    assert drawing.statuses.total() >= wanted
    tally.did(PART, drawing.statuses.total())


class _Drawing:
    """Draws requests in a thread of its own, for schemathesis waits for its answers."""

    def __init__(
        self, house: House, sandbox: Sandbox, description: dict[str, Any], keys: list[str], draws: int
    ) -> None:
        self._url, self._seed = f"{house.portal_url}/v1", draws
        self._own = sandbox.account_id
        self._keys = self._turns(keys)
        self._places = _loopback()
        schema = schemathesis.openapi.from_dict(description)
        schema.config.checks.negative_data_rejection.expected_statuses.append("413")
        self.operations = [_good(found) for found in schema.get_all_operations()]
        self.statuses: Counter[int] = Counter()
        self.complaints: list[str] = []

    @staticmethod
    def _turns(keys: list[str]) -> Iterator[str]:
        while True:
            yield from keys

    def until(self, wanted: int) -> None:
        """Draw of each operation in each mode, with another seed each time, until so many requests were answered."""
        each = min(100, -(-wanted // (len(self.operations) * len(MODES))))
        while self.statuses.total() < wanted and not self.complaints:
            self._all(each)
            self._seed += 1_000_003

    def _all(self, each: int) -> None:
        for operation in self.operations:
            for mode in MODES:
                try:
                    self._draw(operation, mode, each)
                except (BaseExceptionGroup, AssertionError) as complaint:
                    self.complaints.append(str(complaint))

    def _draw(self, operation: Any, mode: GenerationMode, each: int) -> None:
        @seed(self._seed)
        @settings(
            max_examples=each,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Case[Any]) -> None:
            self._ask(case)

        one()

    def _ask(self, case: Case[Any]) -> None:
        headers = {"Authorization": f"Bearer {next(self._keys)}"}
        with _from(next(self._places)) as http:
            answer = case.call(base_url=self._url, session=http, headers=headers)
            self.statuses[answer.status_code] += 1
            case.validate_response(
                answer,
                headers=headers,
                excluded_checks=[positive_data_acceptance, ignored_auth, *_nothing_wrong(case, answer)],
            )
            if answer.status_code < HTTPStatus.BAD_REQUEST:
                for other in ({}, {"Authorization": "Bearer rk_wrong"}):
                    stranger = case.call(base_url=self._url, session=http, headers=other)
                    assert stranger.status_code == HTTPStatus.UNAUTHORIZED, case.as_curl_command()
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            error = answer.json()["error"]
            assert error["code"], case.as_curl_command()
            assert error["message"], case.as_curl_command()
        if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY and error["code"] == "invalid":
            assert all(field["field"] and field["message"] for field in error["fields"]), (
                case.as_curl_command()
            )


class _Place(HTTPAdapter):
    """Sends requests from one address."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **named)


def _from(address: str) -> requests.Session:
    http = requests.Session()
    http.mount("http://", _Place(address))
    return http


def _loopback() -> Iterator[str]:
    """Give this machine's own addresses in turn: whoever shows bad keys too often is slowed down by address."""
    while True:
        yield from (f"127.1.{high}.{low}" for high in range(256) for low in range(1, 255))


def _nothing_wrong(case: Case[Any], answer: Response) -> list[Any]:
    """Leave out the look for refusal where a drawn parameter was an empty list, of which nothing is sent."""
    sent = parse_qs(urlsplit(str(answer.request.url)).query, keep_blank_values=True)
    return [negative_data_rejection] if set(case.query or ()) - set(sent) else []


def _good(found: Any) -> Any:
    """Give an operation; one that schemathesis can't read is an error in the description."""
    return found.ok()
