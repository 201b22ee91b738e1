"""The contract holds over releases: golden records of every version, permanent functions, no surprise in reading."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import uuid5

import pytest
from hypothesis import given, strategies as st

from recoup_events import generate
from recoup_events.envelope import Tombstone, UnknownVersion, Unreadable, read, write
from recoup_events.models import BY_TYPE, EVENTS, CustomerUpdated, Event, PaymentFailed
from recoup_events.topics import EVENT_BYTES, TOPICS
from recoup_events.values import NAMESPACE, CaseState, OpenEnum, fact_id, partition_of

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
DOCS = Path(__file__).parents[3] / "docs"


def load(path: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(path.read_text())
    return golden


def record(golden: dict[str, Any]) -> tuple[str, bytes, list[tuple[str, bytes | None]], bytes]:
    headers: list[tuple[str, bytes | None]] = [(k, v.encode()) for k, v in golden["headers"].items()]
    return golden["topic"], golden["key"].encode(), headers, json.dumps(golden["value"]).encode()


FAILED = next(path for path in GOLDEN if path.stem == "recoup.payment.failed.v1")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_record_reads_today_and_says_the_same(path: Path) -> None:
    golden = load(path)
    event = read(*record(golden))
    assert isinstance(event, Event)
    again = write(event, source=golden["headers"]["ce_source"], partitions=96)
    assert (again.topic, again.partition, again.key.decode()) == (
        golden["topic"],
        golden["partition_of_96"],
        golden["key"],
    )
    assert {k: v.decode() for k, v in again.headers} == golden["headers"]
    value = json.loads(again.value or b"")
    assert {k: value[k] for k in golden["value"]} == golden["value"]


def test_every_event_version_has_its_golden_record() -> None:
    assert {path.stem for path in GOLDEN} == set(BY_TYPE)


def test_every_topic_has_its_event_and_every_event_its_topic() -> None:
    assert {event.TOPIC.name for event in EVENTS} == set(TOPICS)


def test_what_is_generated_from_the_models_is_up_to_date() -> None:
    stale = [name for name, text in generate.files().items() if (DOCS / name).read_text() != text]
    assert stale == [], "run `make docs`"


def test_the_permanent_functions_have_not_changed() -> None:
    assert str(fact_id("acct_1", "payment.failed", "ch_1")) == "5e2810c5-11df-5f4e-8ac7-b159a5fed159"
    assert partition_of("m_1", "cus_1", 96) == 80
    assert (
        partition_of("m_1", None, 96)
        == load(GOLDEN[[p.stem for p in GOLDEN].index("recoup.settings.changed.v1")])["partition_of_96"]
    )


def test_the_partition_hash_is_written_down() -> None:

    first = int.from_bytes(hashlib.sha256(b"m\0c").digest()[:8], "big")
    assert partition_of("m", "c", 12) == first % 12


@pytest.mark.parametrize("enumeration", OpenEnum.__subclasses__(), ids=lambda e: e.__name__)
def test_a_value_of_a_later_release_reads_as_unknown(enumeration: type[OpenEnum]) -> None:
    assert enumeration("something_new").value == "unknown"


def test_a_field_of_a_later_release_is_ignored() -> None:
    golden = load(FAILED)
    golden["value"]["from_the_future"] = {"a": [1]}
    assert isinstance(read(*record(golden)), PaymentFailed)


def test_an_unknown_value_in_a_nested_place_reads_as_unknown() -> None:
    golden = load(FAILED)
    golden["value"]["nature"] = "telepathic"
    event = read(*record(golden))
    assert isinstance(event, PaymentFailed)
    assert event.nature.value == "unknown"


def test_a_later_version_is_told_apart_from_rubbish() -> None:
    golden = load(FAILED)
    golden["headers"]["ce_type"] = "recoup.payment.failed.v2"
    with pytest.raises(UnknownVersion):
        read(*record(golden))
    golden["headers"]["ce_type"] = "recoup.card.updated.v1"
    with pytest.raises(Unreadable, match="ce_type"):
        read(*record(golden))


def test_a_null_erases_a_snapshot_and_nothing_else() -> None:
    headers: list[tuple[str, bytes | None]] = [("ce_recoupmerchant", b"m_1"), ("ce_recoupcustomer", b"cus_1")]
    gone = read(CustomerUpdated.TOPIC.name, b"m_1/cus_1", headers, None)
    assert gone == Tombstone("customer.updated", "m_1/cus_1", "m_1", "cus_1")
    with pytest.raises(Unreadable, match="null"):
        read(PaymentFailed.TOPIC.name, b"m_1/cus_1", headers, None)


def test_an_event_larger_than_the_limit_is_unreadable() -> None:
    topic, key, headers, value = record(load(FAILED))
    with pytest.raises(Unreadable, match="size"):
        read(topic, key, headers, value + b" " * EVENT_BYTES)


def test_no_personal_data_but_on_customer_updated() -> None:
    personal = {"email", "name", "phone", "address", "locale", "last4"}
    told = {event.__name__: personal & set(event.model_fields) for event in EVENTS}
    assert {name for name, fields in told.items() if fields} == {"CustomerUpdated"}


@given(
    value=st.one_of(
        st.none(), st.binary(max_size=200), st.recursive(st.none(), st.lists).map(repr).map(str.encode)
    ),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["ce_type", "ce_id", "ce_time", "ce_recoupmerchant", "x"]),
            st.one_of(st.none(), st.binary(max_size=20), st.sampled_from([t.encode() for t in BY_TYPE])),
        ),
        max_size=6,
    ),
    topic=st.sampled_from(sorted(TOPICS)),
)
def test_reading_fails_in_two_known_ways_only(
    value: bytes | None, headers: list[tuple[str, bytes | None]], topic: str
) -> None:
    with contextlib.suppress(Unreadable, UnknownVersion):
        assert isinstance(read(topic, b"k", headers, value), Event | Tombstone)


def test_states_that_the_case_can_have_are_the_documented_ones() -> None:
    assert [state.value for state in CaseState] == [
        "scheduled",
        "trying",
        "waiting",
        "ending",
        "recovered",
        "ended",
        "reversed",
        "unknown",
    ]


def test_a_facts_id_is_its_name_in_the_namespace_by_the_standards_function() -> None:
    for identity in (("ch_1",), ("ch_1", "2"), ("ü\n",), ()):
        name = "\x1f".join(("acct_1", "payment.failed", *identity))
        assert fact_id("acct_1", "payment.failed", *identity) == uuid5(NAMESPACE, name)
