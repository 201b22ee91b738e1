import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recoup_chassis.errors import Retryable
from recoup_events import links
from recoup_events.values import CaseState, Transition, WaitingFor
from recoup_notifier.channels.smtp import Server, Smtp
from recoup_notifier.correspondence.loop import Sender

from .conftest import Bench

pytestmark = pytest.mark.postgres


async def test_a_failure_is_told_by_one_mail_with_a_link_that_settles_it(bench: Bench) -> None:
    await bench.settle(sender_name="Acme", sender_address="billing@acme.example", contact="help@acme.example")
    await bench.customer()
    await bench.deliver(bench.opened())
    (mail,) = await bench.send_all()
    assert mail["From"] == "Acme <billing@acme.example>"
    assert mail["To"] == "cus_1@example.com"
    assert mail["Reply-To"] == "help@acme.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@recoup.example>")
    assert "€29.00" in mail["Subject"]
    assert bench.sink.envelopes == [("bounces@recoup.example", ["cus_1@example.com"])]
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert rich is not None
    address = next(line for line in plain.get_content().splitlines() if "/pay/" in line)
    assert address in rich.get_content()
    link = links.parse(address.rpartition("/")[2])
    assert (link.merchant_id, link.case_id.int, link.key_id) == (bench.merchant_id, 1, "k1")
    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    public.verify(link.signature, links.to_sign(link.merchant_id, link.case_id, link.key_id))
    assert await bench.log() == [("payment_failed", "sent", None)]
    assert await bench.told() == ["notification.sent"]


async def test_a_change_that_is_delivered_again_is_told_once(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened(), bench.opened())
    assert len(await bench.send_all()) == 1
    await bench.deliver(bench.opened())
    assert await bench.send_all() == []


async def test_a_customer_is_written_to_in_their_language(bench: Bench) -> None:
    await bench.customer(locale="it-IT")
    await bench.deliver(bench.opened())
    (mail,) = await bench.send_all()
    assert mail["Content-Language"] == "it"
    assert "non riuscito" in mail["Subject"]


async def test_recovery_is_told_after_a_failure_was(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.send_all()
    await bench.deliver(bench.recovered())
    (mail,) = await bench.send_all()
    assert mail["Subject"].startswith("You're all set")
    assert await bench.told() == ["notification.sent"] * 2


async def test_a_case_that_closes_before_its_mail_went_out_is_never_mentioned(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.deliver(bench.recovered())
    assert await bench.send_all() == []
    assert await bench.log() == [
        ("payment_failed", "dropped", "overtaken"),
        ("all_set", "dropped", "nothing_to_conclude"),
    ]


@pytest.mark.parametrize("end", [CaseState.ENDED, CaseState.REVERSED, CaseState.ENDING])
async def test_nothing_is_sent_once_a_case_has_ended(bench: Bench, end: CaseState) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.deliver(bench.changed(2, Transition.ENDED, end))
    assert await bench.send_all() == []
    assert await bench.log() == [("payment_failed", "dropped", "overtaken")]


async def test_a_newer_message_replaces_one_that_still_waits(bench: Bench) -> None:
    await bench.deliver(bench.opened())
    waiting = {"waiting_for": WaitingFor.CARD, "tries_made": 1, "decline_class": "card_expired"}
    await bench.deliver(bench.changed(3, Transition.WAITING, CaseState.WAITING, **waiting))
    await bench.customer()
    (mail,) = await bench.send_all()
    assert "update your payment method" in mail["Subject"]
    assert await bench.log() == [("payment_failed", "dropped", "overtaken"), ("payment_failed", "sent", None)]


async def test_a_mail_says_what_is_so_when_it_goes_out(bench: Bench) -> None:
    await bench.deliver(bench.opened())
    await bench.deliver(bench.changed(2, Transition.TRYING, CaseState.TRYING))
    await bench.customer()
    (mail,) = await bench.send_all()
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert "trying the payment again at this moment" in " ".join(plain.get_content().split())


async def test_no_mail_goes_out_after_the_deadline(bench: Bench) -> None:
    await bench.customer()
    past = datetime.now(UTC) - timedelta(seconds=1)
    await bench.deliver(bench.opened(resolve_by=past))
    assert await bench.send_all() == []
    assert await bench.log() == [("payment_failed", "dropped", "overtaken")]


async def test_a_customer_who_becomes_known_later_is_written_to_then(bench: Bench) -> None:
    await bench.deliver(bench.opened())
    assert await bench.send_all() == []
    await bench.customer()
    await bench.hurry()
    assert len(await bench.send_all()) == 1


async def test_a_customer_who_stays_unknown_is_given_up(bench: Bench) -> None:
    await bench.deliver(bench.opened())
    async with bench.transaction() as tx:
        await tx.execute("UPDATE correspondence SET queued_at = queued_at - interval '11 minutes'")
    assert await bench.send_all() == []
    assert await bench.log() == [("payment_failed", "dropped", "no_contact")]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (None, "no_address"),
        ("a@b.example, c@d.example", "bad_address"),
        ("a@b.example\r\nBcc: x@y.example", "bad_address"),
        ("nobody", "bad_address"),
        ("<script>@b.example", "bad_address"),
    ],
)
async def test_no_mail_goes_where_none_can(bench: Bench, address: str | None, reason: str) -> None:
    await bench.customer(email=address)
    await bench.deliver(bench.opened())
    assert await bench.send_all() == []
    assert await bench.log() == [("payment_failed", "dropped", reason)]


async def test_a_customer_in_quarantine_is_not_written_to_until_released(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    async with bench.transaction() as tx:
        await tx.execute(
            "INSERT INTO quarantine (topic, partition, record_offset, header_names, header_values, reason, detail,"
            " merchant_id, customer_id) VALUES ('t', 0, 0, '{}', '{}', 'json', '', $1, 'cus_1')",
            bench.merchant_id,
        )
    assert await bench.send_all() == []
    async with bench.transaction() as tx:
        await tx.execute("UPDATE quarantine SET released_at = now()")
    await bench.hurry()
    assert len(await bench.send_all()) == 1


async def test_a_message_that_the_merchant_switched_off_is_not_sent(bench: Bench) -> None:
    await bench.settle(messages={"payment_failed": {"en": {"enabled": False}}})
    await bench.customer()
    await bench.deliver(bench.opened())
    assert await bench.send_all() == []
    assert await bench.log() == [("payment_failed", "dropped", "switched_off")]


async def test_a_merchants_broken_template_gives_way_to_ours(bench: Bench) -> None:
    await bench.settle(messages={"payment_failed": {"en": {"text": "{{ oops }}"}}})
    await bench.customer()
    await bench.deliver(bench.opened())
    assert len(await bench.send_all()) == 1
    assert await bench.column("template") == ["ours_instead"]


async def test_an_erased_customer_is_not_written_to_and_leaves_nothing_personal(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.send_all()
    await bench.deliver(bench.opened(case=2))
    await bench.erase()
    assert await bench.send_all() == []
    assert await bench.log() == [("payment_failed", "sent", None), ("payment_failed", "dropped", "erased")]
    for name in ("recipient", "subject", "text_part", "html_part", "link", "answer"):
        assert await bench.column(name) == [None, None]
    async with bench.transaction() as tx:
        assert await tx.fetch("SELECT * FROM contacts") == []
        assert await tx.fetchval("SELECT count(*) FROM mail_queue") == 0


async def test_what_the_server_refuses_for_good_is_not_tried_again(bench: Bench) -> None:
    bench.sink.answers["cus_1@example.com"] = ["550 5.1.1 no such user"]
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.send_all()
    await bench.hurry()
    assert await bench.send_all() == []
    assert await bench.log() == [("payment_failed", "failed", "refused")]
    assert await bench.column("answer") == ["550 5.1.1 no such user"]
    assert await bench.told() == []


async def test_what_the_server_refuses_for_now_is_tried_later(bench: Bench) -> None:
    bench.sink.answers["cus_1@example.com"] = ["451 4.7.1 greylisted"]
    await bench.customer()
    await bench.deliver(bench.opened())
    assert await bench.send_all() == []
    assert await bench.send_all() == [], "tried again at once"
    await bench.hurry()
    assert len(await bench.send_all()) == 1
    assert bench.sink.connections == 1, "the connection is kept"


async def test_what_is_refused_for_now_too_often_is_given_up(bench: Bench) -> None:
    bench.sink.answers["cus_1@example.com"] = ["451 4.7.1 greylisted"] * 20
    await bench.customer()
    await bench.deliver(bench.opened())
    for _ in range(13):
        await bench.send_all()
        await bench.hurry()
    assert await bench.log() == [("payment_failed", "failed", "gave_up")]


async def test_a_mail_that_may_have_arrived_is_sent_again_under_the_same_id(bench: Bench) -> None:
    bench.sink.break_after_data = 1
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.send_all()
    await bench.hurry()
    await bench.send_all()
    first, second = bench.sink.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert await bench.told() == ["notification.sent"]


async def test_all_set_is_said_when_the_failure_may_have_been_told(bench: Bench) -> None:
    bench.sink.break_after_data = 1
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.send_all()
    await bench.deliver(bench.recovered())
    await bench.hurry()
    (mail,) = await bench.send_all()
    assert mail["Subject"].startswith("You're all set")


async def test_a_case_that_closes_while_its_mail_is_handed_over_is_concluded(bench: Bench) -> None:
    async def recover() -> None:
        bench.sink.while_taking = None
        await bench.deliver(bench.recovered())
        await other.once()

    async with Smtp(Server.read(f"smtp://127.0.0.1:{bench.sink.port}")) as smtp:
        other = Sender(bench.database, smtp, bench.sender._links, mail_from="x@recoup.example", replica="1")
        bench.sink.while_taking = recover
        await bench.customer()
        await bench.deliver(bench.opened())
        await bench.send_all()
    await bench.hurry()
    (mail,) = await bench.send_all()
    assert mail["Subject"].startswith("You're all set")


async def test_what_a_killed_sender_was_sending_goes_out_when_it_starts_again(bench: Bench) -> None:
    assert await bench.send_all() == []
    await bench.customer()
    await bench.deliver(bench.opened())
    taken, ready = await bench.sender._prepare()  # and then it is killed
    assert (taken, len(ready)) == (1, 1)
    assert await bench.send_all() == [], "its lease is respected while it may be alive"
    async with Smtp(Server.read(f"smtp://127.0.0.1:{bench.sink.port}")) as smtp:
        again = Sender(bench.database, smtp, bench.sender._links, mail_from="b@recoup.example", replica="0")
        await again.once()
    assert len(bench.sink.mails) == 1
    assert await bench.column("may_have_arrived") == [True]


async def test_what_could_not_be_settled_goes_out_again_without_waiting_for_its_lease(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    bench.sink.while_taking = lambda: bench.as_owner("ALTER TABLE correspondence RENAME TO away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await bench.sender.once()
    bench.sink.while_taking = None
    await bench.as_owner("ALTER TABLE away RENAME TO correspondence")
    await bench.sender.once()
    assert len(bench.sink.mails) == 2
    assert len({mail["Message-ID"] for mail in bench.sink.mails}) == 1
    assert await bench.column("state") == ["sent"]


async def test_two_senders_send_each_message_once(bench: Bench) -> None:
    async with Smtp(Server.read(f"smtp://127.0.0.1:{bench.sink.port}")) as smtp:
        other = Sender(bench.database, smtp, bench.sender._links, mail_from="b@recoup.example", replica="1")
        for n in range(40):
            await bench.customer(f"cus_{n}")
        await bench.deliver(*(bench.opened(case=n + 1, customer=f"cus_{n}") for n in range(40)))
        while len(bench.sink.mails) < 40:
            await asyncio.gather(bench.sender.once(), other.once())
    assert len({mail["To"] for mail in bench.sink.mails}) == 40
    assert len(bench.sink.mails) == 40


async def test_while_the_server_is_away_nothing_is_lost_or_counted_as_a_try(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    async with Smtp(Server.read("smtp://127.0.0.1:1")) as nowhere:
        away = Sender(bench.database, nowhere, bench.sender._links, mail_from="b@recoup.example", replica="0")
        for _ in range(3):
            with pytest.raises(Retryable, match="the mail server"):
                await away.once()
    assert await bench.column("handed_over") == [0]
    assert len(await bench.send_all()) == 1


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.send_all()
    (connection,) = bench.sender._smtp._idle
    assert connection.transport is not None
    connection.transport.close()
    await bench.deliver(bench.opened(case=2))
    assert len(await bench.send_all()) == 1


async def test_no_merchant_sees_what_another_wrote(bench: Bench) -> None:
    await bench.customer()
    await bench.deliver(bench.opened())
    await bench.send_all()
    counts = """SELECT (SELECT count(*) FROM contacts) + (SELECT count(*) FROM merchant_settings)
                     + (SELECT count(*) FROM cases) + (SELECT count(*) FROM correspondence)"""
    async with bench.database.transaction([bench.merchant_id]) as tx:
        assert await tx.fetchval(counts) == 4
    async with bench.database.transaction(["m_other"]) as tx:
        assert await tx.fetchval(counts) == 0
