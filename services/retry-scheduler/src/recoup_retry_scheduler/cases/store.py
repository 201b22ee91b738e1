"""Where cases and their facts rest: loaded once and saved once a batch, whatever its size.

Promise: a book holds all that its cases follow from; what is saved is what the domain decided, as one piece of
JSON and the columns that SQL asks about. Callers hold the customers concerned.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from recoup_chassis.postgres import Tx, columns
from recoup_chassis.queries import load as load_queries
from recoup_chassis.timers import NewTimer, arm, disarm
from recoup_declines import DeclineClass
from recoup_retry_scheduler.cases.domain.book import (
    MOST_CHARGES,
    Book,
    Books,
    InvoiceFacts,
    SubscriptionFacts,
)
from recoup_retry_scheduler.cases.domain.cards import Edition, Wallet
from recoup_retry_scheduler.cases.domain.case import Case, Policy
from recoup_retry_scheduler.cases.domain.concern import charge_named, invoices_named, subscription_named
from recoup_retry_scheduler.cases.domain.decisions import Decisions
from recoup_retry_scheduler.cases.domain.facts import (
    CardChanged,
    Charge,
    Fact,
    Failed,
    Owner,
    Reversed,
    Succeeded,
    charge_of,
)
from recoup_retry_scheduler.rules.limits import LONGEST_WINDOW

sql = load_queries(__package__)

Named = tuple[str, str, str]
"""Merchant, account, and the id of something that the gateway named there."""

_CASE: TypeAdapter[Case] = TypeAdapter(Case)
_POLICY: TypeAdapter[Policy] = TypeAdapter(Policy)
_FAILED: TypeAdapter[Failed] = TypeAdapter(Failed)
_SUCCEEDED: TypeAdapter[Succeeded] = TypeAdapter(Succeeded)
_REVERSED: TypeAdapter[Reversed] = TypeAdapter(Reversed)
_EDITION: TypeAdapter[Edition] = TypeAdapter(Edition)
_INVOICE: TypeAdapter[InvoiceFacts] = TypeAdapter(InvoiceFacts)
_SUBSCRIPTION: TypeAdapter[SubscriptionFacts] = TypeAdapter(SubscriptionFacts)


async def owners_of(tx: Tx, cases: Sequence[tuple[str, UUID]]) -> dict[tuple[str, UUID], Owner]:
    """Give whose these (merchant, case) pairs are."""
    rows = await tx.fetch(sql.owners, *columns(cases, 2))
    return {
        (row["merchant_id"], row["case_id"]): Owner(row["merchant_id"], row["account_id"], row["customer_id"])
        for row in rows
    }


async def invoices_of_charges(tx: Tx, charges: Sequence[Named]) -> dict[Named, str]:
    """Give the invoices of charges that we know."""
    rows = await tx.fetch(sql.invoices_of_charges, *columns(charges, 3))
    return {(row["merchant_id"], row["account_id"], row["charge_id"]): row["invoice_id"] for row in rows}


async def load(tx: Tx, facts: Sequence[Fact]) -> Books:
    """Open the book of every customer that a fact names, with all that its cases follow from."""
    owners = list(dict.fromkeys(fact.owner for fact in facts))
    customers = sorted({(owner.merchant_id, owner.customer_id) for owner in owners})
    held = await tx.held(customers)
    merchants = sorted({owner.merchant_id for owner in owners})
    wishes = {row["merchant_id"]: row for row in await tx.fetch(sql.policies, merchants)}
    books: Books = {}
    for owner in owners:
        row = wishes[owner.merchant_id]
        books[owner] = Book(
            owner,
            policy=_policy(row["policy"], row["version"]) or Policy(),
            open_policy=_policy(row["open_policy"], row["open_version"]),
            zone=row["zone"] or "UTC",
            held=(owner.merchant_id, owner.customer_id) in held,
        )
    invoices = {(*fact.owner[:2], name) for fact in facts for name in invoices_named(fact)}
    for row in await tx.fetch(sql.cases, *columns(customers, 2), *columns(sorted(invoices), 3)):
        case = _CASE.validate_json(row["detail"])
        if case.owner in books:
            books[case.owner].cases[case.case_id] = case
            invoices.add((*case.owner[:2], case.bill.invoice_id))
    await _load_money(tx, books, sorted(invoices), facts)
    await _load_around(tx, books, sorted(invoices), facts)
    await _load_declines(tx, books, facts)
    await _load_past(tx, books)
    return books


def _policy(text: str | None, version: int) -> Policy | None:
    return None if text is None else replace(_POLICY.validate_json(text), version=version)


async def _load_money(tx: Tx, books: Books, invoices: Sequence[Named], facts: Sequence[Fact]) -> None:
    charges = {(*fact.owner[:2], name) for fact in facts for name in charge_named(fact)}
    for row in await tx.fetch(sql.charges, *columns(invoices, 3)):
        if row["outcome"] == "failed":
            failed = _FAILED.validate_json(row["fact"])
            if failed.owner in books:
                books[failed.owner].failures[failed.fact_id] = failed
        else:
            paid = _SUCCEEDED.validate_json(row["fact"])
            if paid.owner in books:
                books[paid.owner].successes[paid.fact_id] = paid
                charges.update((*paid.owner[:2], name) for name in charge_named(paid))
    for row in await tx.fetch(sql.reversals, *columns(invoices, 3), *columns(sorted(charges), 3)):
        back = _REVERSED.validate_json(row["fact"])
        if back.owner in books:
            books[back.owner].reversals[back.fact_id] = back


async def _load_around(tx: Tx, books: Books, invoices: Sequence[Named], facts: Sequence[Fact]) -> None:
    by_place: dict[tuple[str, str], list[Book]] = {}
    for book in books.values():
        by_place.setdefault(book.owner[:2], []).append(book)
    invoice_books = _books_by_invoice(books, facts)
    for row in await tx.fetch(sql.invoices, *columns(invoices, 3)):
        known = _INVOICE.validate_json(row["facts"])
        for book in invoice_books.get((row["merchant_id"], row["account_id"], known.invoice_id), ()):
            book.invoices[known.invoice_id] = known
    subscriptions = {
        *((*fact.owner[:2], name) for fact in facts for name in subscription_named(fact)),
        *(
            (*case.owner[:2], case.bill.subscription_id)
            for book in books.values()
            for case in book.cases.values()
            if case.bill.subscription_id
        ),
    }
    for row in await tx.fetch(sql.subscriptions, *columns(sorted(subscriptions), 3)):
        status = _SUBSCRIPTION.validate_json(row["facts"])
        for book in by_place[row["merchant_id"], row["account_id"]]:
            book.subscriptions[status.subscription_id] = status
    owners = [(owner.merchant_id, owner.customer_id, owner.account_id) for owner in books]
    editions: dict[Owner, list[Edition]] = {}
    for row in await tx.fetch(sql.cards, *columns(owners, 3)):
        owner = Owner(row["merchant_id"], row["account_id"], row["customer_id"])
        editions.setdefault(owner, []).append(_EDITION.validate_json(row["edition"]))
    for owner, known_cards in editions.items():
        books[owner].wallet = Wallet(tuple(known_cards))


def _books_by_invoice(books: Books, facts: Sequence[Fact]) -> Mapping[Named, list[Book]]:
    found: dict[Named, list[Book]] = {}
    named = ((fact.owner, name) for fact in facts for name in invoices_named(fact))
    known = ((case.owner, case.bill.invoice_id) for book in books.values() for case in book.cases.values())
    for owner, invoice_id in dict.fromkeys(chain(named, known)):
        found.setdefault((*owner[:2], invoice_id), []).append(books[owner])
    return found


async def _load_declines(tx: Tx, books: Books, facts: Sequence[Fact]) -> None:
    """Load when the customers' cards were declined, also for other customers of the same merchant."""
    marks: dict[tuple[str, str], list[Book]] = {}
    for book in books.values():
        for mark in book.wallet.marks():
            marks.setdefault((book.owner.merchant_id, mark), []).append(book)
    for fact in facts:
        if isinstance(fact, Failed | CardChanged) and fact.card is not None:
            found = marks.setdefault((fact.owner.merchant_id, fact.card.mark), [])
            if books[fact.owner] not in found:
                found.append(books[fact.owner])
    wanted = [(merchant, mark, tx.now(merchant) - LONGEST_WINDOW) for merchant, mark in sorted(marks)]
    for row in await tx.fetch(sql.declines, *columns(wanted, 3)):
        for book in marks[row["merchant_id"], row["declined_mark"]]:
            book.declines[row["declined_mark"]][row["fact_id"]] = row["at"]


async def _load_past(tx: Tx, books: Books) -> None:
    """Load the newest charges of customers about whom the mind may be asked."""
    smart = [owner for owner, book in books.items() if book.smart]
    if not smart:
        return
    for row in await tx.fetch(sql.customer_charges, *columns(smart, 3), MOST_CHARGES):
        merchant, account, customer, at, fact_id, invoice_id, declined, funding = row
        books[Owner(merchant, account, customer)].past[fact_id] = Charge(
            at, fact_id, invoice_id, DeclineClass(declined) if declined else None, funding
        )


async def save(tx: Tx, books: Books, decisions: Decisions) -> None:
    """Save what was learnt and decided, and set the timers."""
    await _save_facts(tx, books.values())
    cases = [saved.case for saved in decisions.cases]
    await _write(tx, sql.save_cases, 22, [_row(case) for case in cases])
    merchants = sorted({case.owner.merchant_id for case in cases if case.revision <= 1})
    if merchants:
        await tx.execute(sql.know_merchants, merchants)
    await disarm(tx, [(s.case.owner.merchant_id, str(s.case.case_id)) for s in decisions.cases if s.disarms])
    await arm(tx, [_timer(saved.case) for saved in decisions.cases if saved.arms])


async def _save_facts(tx: Tx, books: Iterable[Book]) -> None:
    charges: list[tuple[Any, ...]] = []
    reversals: list[tuple[Any, ...]] = []
    cards: list[tuple[Any, ...]] = []
    invoices: list[tuple[Any, ...]] = []
    subscriptions: list[tuple[Any, ...]] = []
    past: list[tuple[Any, ...]] = []
    for book in books:
        merchant, account, customer = book.owner
        for fact in book.new:
            if isinstance(fact, Reversed):
                reversals.append(_reversal_row(fact))
            else:
                charges.append(_charge_row(fact))
                charge = charge_of(fact) if book.smart else None
                if charge is not None:
                    past.append((*book.owner, *_past_row(charge)))
        cards += [
            (merchant, account, customer, *edition.key, _text(_EDITION, edition))
            for edition in book.wallet.changed()
        ]
        invoices += [
            (merchant, account, name, _text(_INVOICE, book.invoices[name])) for name in book.changed_invoices
        ]
        subscriptions += [
            (merchant, account, name, _text(_SUBSCRIPTION, book.subscriptions[name]))
            for name in book.changed_subscriptions
        ]
    await _write(tx, sql.add_charges, 9, charges)
    await _write(tx, sql.add_customer_charges, 8, past)
    await _write(tx, sql.add_reversals, 6, reversals)
    await _write(tx, sql.save_cards, 7, cards)
    await _write(tx, sql.save_invoices, 4, invoices)
    await _write(tx, sql.save_subscriptions, 4, subscriptions)


async def _write(tx: Tx, query: str, width: int, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await tx.execute(query, *columns(rows, width))


async def save_policies(tx: Tx, policies: Sequence[tuple[str, Policy]]) -> None:
    """Keep merchants' policies for cases to come; a lower version than the one kept changes nothing."""
    await _write(tx, sql.save_policies, 3, [_policy_row(*one) for one in policies])


async def spread_policies(tx: Tx, policies: Sequence[tuple[str, Policy]]) -> None:
    """Keep policies that are for open cases too; each of the merchants has one for cases to come."""
    await _write(tx, sql.save_open_policies, 3, [_policy_row(*one) for one in policies])
    await _write(tx, sql.spread_policies, 1, [(merchant,) for merchant, _ in policies])


def _policy_row(merchant_id: str, policy: Policy) -> tuple[Any, ...]:
    return (merchant_id, policy.version, _text(_POLICY, policy))


async def policy_spreads(tx: Tx) -> list[str]:
    """Give the merchants whose open cases have yet to follow a policy."""
    return [row["merchant_id"] for row in await tx.fetch(sql.policy_spreads)]


async def claim_policy_spread(tx: Tx, merchant_id: str, at_most: int) -> list[Owner] | None:
    """Give the next customers whose open cases are to follow a policy; None where somebody else sees to it."""
    after = await tx.fetchval(sql.claim_policy_spread, merchant_id)
    if after is None:
        return None
    rows = await tx.fetch(sql.next_owners, merchant_id, after, at_most)
    return [Owner(merchant_id, row["account_id"], row["customer_id"]) for row in rows]


async def go_on_spreading(tx: Tx, owners: Sequence[Owner], merchant_id: str) -> None:
    """Note that these customers' cases follow the policy; no customers: that all do."""
    if owners:
        last = max(owner.customer_id for owner in owners)
        await tx.execute(sql.go_on_spreading, merchant_id, last)
    else:
        await tx.execute(sql.end_spreading, merchant_id)


async def save_zones(tx: Tx, zones: Sequence[tuple[str, int, str]]) -> None:
    """Keep where merchants are; a lower version than the one kept changes nothing."""
    await _write(tx, sql.save_zones, 3, zones)


def _text(adapter: TypeAdapter[Any], value: object) -> str:
    return adapter.dump_json(value).decode()


def _charge_row(fact: Failed | Succeeded) -> tuple[Any, ...]:
    merchant, account, _ = fact.owner
    if isinstance(fact, Failed):
        invoice_id = fact.bill.invoice_id if fact.bill else None
        mark = fact.card.mark if fact.card and fact.counts else None
        said = (invoice_id, fact.charge_id, "failed", fact.at, mark, _text(_FAILED, fact))
    else:
        said = (fact.invoice_id, fact.charge_id, "succeeded", fact.at, None, _text(_SUCCEEDED, fact))
    return (merchant, fact.fact_id, account, *said)


def _past_row(charge: Charge) -> tuple[Any, ...]:
    declined = charge.declined.value if charge.declined else None
    return (charge.at, charge.fact_id, charge.invoice_id, declined, charge.funding)


def _reversal_row(fact: Reversed) -> tuple[Any, ...]:
    merchant, account, _ = fact.owner
    return (merchant, fact.fact_id, account, fact.invoice_id, fact.charge_id, _text(_REVERSED, fact))


def _row(case: Case) -> tuple[Any, ...]:
    kind, at = (case.wake.kind.value, case.wake.at) if case.wake else (None, None)
    return (
        *(case.owner.merchant_id, case.case_id, case.owner.account_id, case.owner.customer_id),
        *(case.bill.invoice_id, case.bill.subscription_id, case.state.value),
        case.waiting_for.value if case.waiting_for else None,
        *(case.failed_at, case.resolve_by, case.next_try_at),
        *(max(case.policy.steps, case.position), case.position),
        *(case.tries, case.tries_made, case.trying.try_id if case.trying else None, kind, at),
        *(case.recovered if case.recovered_by else None, case.recovered_by, case.revision),
        _text(_CASE, case),
    )


def _timer(case: Case) -> NewTimer:
    assert case.wake is not None
    return NewTimer(
        case.owner.merchant_id,
        case.owner.customer_id,
        case.wake.kind.value,
        str(case.case_id),
        case.wake.at,
        real=case.wake.real,
    )


async def open_cases(tx: Tx) -> dict[str, tuple[int, int]]:
    """Count the visible merchants' open cases by state, and those among them that have no live timer."""
    rows = await tx.fetch(sql.open_cases)
    return {row["state"]: (row["cases"], row["without_timer"]) for row in rows}


async def merchants(tx: Tx) -> list[str]:
    """Give every merchant that ever had a case."""
    return [row["merchant_id"] for row in await tx.fetch(sql.merchants)]


async def forget(tx: Tx, kept: timedelta, past_kept: timedelta) -> None:
    """Drop the visible merchants' facts that are older than `kept` and of no open case, some at a time.

    Args:
        past_kept: how long what the mind learns from is kept.
    """
    await tx.execute(sql.forget_charges, kept)
    await tx.execute(sql.forget_invoices, kept)
    await tx.execute(sql.forget_customer_charges, past_kept)
