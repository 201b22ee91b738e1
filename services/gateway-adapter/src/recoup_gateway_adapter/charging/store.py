"""Attempts, and who holds an invoice. Whoever calls holds the customer."""

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from recoup_chassis.errors import Retryable
from recoup_chassis.postgres import Tx, columns
from recoup_chassis.queries import load
from recoup_events.values import AttemptState, TryKind
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import Account
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging.domain import Attempt, ChargeOutcome, Circumstances, idempotency_key

Invoice = tuple[str, str, str]
"""Merchant, account and invoice."""

Name = tuple[str, UUID]
"""Merchant and attempt."""

_SAVED = [
    "state",
    "reason",
    "revision",
    "unanswered",
    "first_sent_at",
    "last_sent_at",
    "look_ups",
    "seen_charge_id",
    "charge_id",
    "payment_intent_id",
    "action_url",
    "action_until",
    "decline_code",
]
_ADDED = [
    "merchant_id",
    "attempt_id",
    "account_id",
    "customer_id",
    "invoice_id",
    "number",
    "idempotency_key",
    "kind",
    "customer_present",
    "instrument_id",
    "case_id",
    "try_id",
    "card_session_id",
    "position",
    "not_after",
    "state",
    "reason",
    "revision",
]

sql = load(__package__)


async def numbered(tx: Tx, drafts: Sequence[Attempt]) -> list[Attempt]:
    """Give each draft the next number of its invoice, and with it its key for ever."""
    wanted: dict[Invoice, int] = {}
    for draft in drafts:
        wanted[draft.invoice] = wanted.get(draft.invoice, 0) + 1
    rows = await tx.fetch(sql.number_invoices, *columns([(*i, n) for i, n in sorted(wanted.items())], 4))
    following = {
        (row["merchant_id"], row["account_id"], row["invoice_id"]): row["last_number"]
        - wanted[row["merchant_id"], row["account_id"], row["invoice_id"]]
        for row in rows
    }
    given = []
    for draft in drafts:
        invoice = draft.invoice
        following[invoice] += 1
        given.append(
            replace(
                draft,
                number=following[invoice],
                idempotency_key=idempotency_key(*invoice, following[invoice]),
            )
        )
    return given


async def add(tx: Tx, attempts: Sequence[Attempt]) -> None:
    """Insert attempts."""
    if attempts:
        await tx.execute(sql.add, [_written(attempt) for attempt in attempts])


async def of_tries(tx: Tx, tries: Iterable[tuple[str, UUID]]) -> dict[tuple[str, UUID], Attempt]:
    """Find attempts, settled or not, by (merchant, try)."""
    rows = await tx.fetch(sql.of_tries, *columns(sorted(set(tries)), 2))
    return {(row["merchant_id"], row["try_id"]): attempt_of(row) for row in rows}


async def lock_open(tx: Tx, named: Iterable[Name]) -> dict[Name, Attempt]:
    """Give those of these attempts, by merchant and attempt, that are not settled; locked."""
    rows = await tx.fetch(sql.lock_open, *columns(sorted(set(named)), 2))
    return {(row["merchant_id"], row["attempt_id"]): attempt_of(row) for row in rows}


async def get(tx: Tx, merchant_id: str, attempt_ids: Sequence[UUID]) -> list[Attempt]:
    """Give attempts, settled or not."""
    return [attempt_of(row) for row in await tx.fetch(sql.get, merchant_id, list(attempt_ids))]


async def attempts_by(
    tx: Tx, account_id: str, idempotency_keys: Sequence[str], charge_ids: Sequence[str]
) -> list[Attempt]:
    """Find attempts, settled or not, by the key of their request or the charge that it made."""
    rows = await tx.fetch(sql.by_key_or_charge, account_id, list(idempotency_keys), list(charge_ids))
    return [attempt_of(row) for row in rows]


async def told_of(tx: Tx, outcomes: Sequence[ChargeOutcome]) -> list[tuple[ChargeOutcome, Attempt]]:
    """Pair facts with the attempts that are not settled and whose request, or charge, they tell of; locked."""
    pairs = [(o.merchant_id, o.account_id, o.idempotency_key or None, o.charge_id) for o in outcomes]
    rows = await tx.fetch(sql.open_by_key_or_charge, *columns(pairs, 4))
    return [(outcomes[row["n"] - 1], attempt_of(row)) for row in rows]


async def awaited_of(tx: Tx, outcomes: Sequence[ChargeOutcome]) -> list[tuple[str, str, UUID, str]]:
    """Give (merchant, account, attempt, customer) of attempts whose invoice or payment these facts concern."""
    about = [(o.merchant_id, o.account_id, o.payment_intent_id, o.invoice_id) for o in outcomes]
    rows = await tx.fetch(sql.awaited_of, *columns(about, 4))
    return [(row["merchant_id"], row["account_id"], row["attempt_id"], row["customer_id"]) for row in rows]


async def save(tx: Tx, changes: Sequence[tuple[Attempt, Attempt]]) -> None:
    """Save what became of attempts, as each was and is now; settled ones move to the settled.

    Raises:
        Retryable: somebody else changed one of them meanwhile.
    """
    rows = [
        (was.merchant_id, was.attempt_id, was.revision, *(_plain(getattr(now, name)) for name in _SAVED))
        for was, now in changes
    ]
    if not rows:
        return
    done = await tx.execute(sql.save, *columns(rows, 3 + len(_SAVED)))
    if done != f"UPDATE {len(rows)}":
        raise Retryable("an attempt was changed meanwhile")
    settled = [(now.merchant_id, now.attempt_id) for _, now in changes if now.settled]
    if settled:
        await tx.execute(sql.settle, *columns(settled, 2))


async def bump(tx: Tx, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Count a revision up, so that what is said again is a fact of its own."""
    pairs = columns(sorted((a.merchant_id, a.attempt_id) for a in attempts), 2)
    rows = [*await tx.fetch(sql.bump_open, *pairs), *await tx.fetch(sql.bump_settled, *pairs)]
    return [attempt_of(row) for row in rows]


async def take_locks(tx: Tx, attempts: Sequence[Attempt]) -> None:
    """Hold the invoices of these attempts, no two of the same.

    Raises:
        Retryable: somebody else holds one.
    """
    wanted = [(*attempt.invoice, "attempt", attempt.attempt_id) for attempt in attempts]
    if len(await _take(tx, wanted)) != len(wanted):
        raise Retryable("an invoice is held by another")


async def take_lock_for(tx: Tx, invoice: Invoice, held_for: str, holder: UUID) -> bool:
    """Take an invoice's lock; tell whether it was free, or the holder's already."""
    return bool(await _take(tx, [(*invoice, held_for, holder)]))


async def _take(tx: Tx, wanted: Sequence[tuple[str, str, str, str, UUID]]) -> Sequence[Any]:
    listed = columns(sorted(wanted), 5)
    await tx.execute(sql.open_locks, *listed[:3])
    taken: Sequence[Any] = await tx.fetch(sql.take_locks, *listed)
    return taken


async def release_locks(tx: Tx, held: Iterable[tuple[Invoice, UUID]]) -> None:
    """Release invoices, those that these holders have."""
    await tx.execute(sql.release_locks, *columns([(*invoice, holder) for invoice, holder in held], 4))


async def lock_states(tx: Tx, invoices: Iterable[Invoice]) -> dict[Invoice, tuple[str, UUID]]:
    """Tell for what and by whom these invoices are held, those that are."""
    rows = await tx.fetch(sql.lock_states, *columns(sorted(set(invoices)), 3))
    return {
        (row["merchant_id"], row["account_id"], row["invoice_id"]): (row["held_for"], row["held_by"])
        for row in rows
        if row["held_by"]
    }


async def queued_of_invoices(tx: Tx, invoices: Iterable[Invoice]) -> list[tuple[Invoice, UUID]]:
    """Give the planned attempts of these invoices whose turn it is."""
    rows = await tx.fetch(sql.planned_of_invoices, *columns(sorted(set(invoices)), 3))
    return [((row["merchant_id"], row["account_id"], row["invoice_id"]), row["attempt_id"]) for row in rows]


async def rest_of_session(tx: Tx, merchant_id: str, card_session_id: UUID) -> list[Attempt]:
    """Give a card session's planned attempts, in their order, locked."""
    return [attempt_of(row) for row in await tx.fetch(sql.rest_of_session, merchant_id, card_session_id)]


async def of_session(tx: Tx, merchant_id: str, card_session_id: UUID) -> list[Attempt]:
    """Give a card session's attempts, in their order."""
    return [attempt_of(row) for row in await tx.fetch(sql.of_session, merchant_id, card_session_id)]


async def of_invoice(tx: Tx, invoice: Invoice) -> list[Attempt]:
    """Give an invoice's attempts, the first first."""
    return [attempt_of(row) for row in await tx.fetch(sql.of_invoice, *invoice)]


async def name_charge(tx: Tx, attempt: Attempt, charge_id: str) -> None:
    """Remember the charge of a settled attempt that had none, for attribution."""
    await tx.execute(sql.name_charge, attempt.merchant_id, attempt.attempt_id, charge_id)


async def circumstances(tx: Tx, asked: Sequence[tuple[Attempt, Account]]) -> dict[UUID, Circumstances]:
    """Read the stop switches, precedence, quarantine, and who holds the invoice; by attempt."""
    attempts = [attempt for attempt, _ in asked]
    precedence = await accounts.precedence(tx, {attempt.merchant_id for attempt in attempts})
    stopped = await stopped_among(tx, [account for _, account in asked])
    held = await tx.held({(attempt.merchant_id, attempt.customer_id) for attempt in attempts})
    locks = await lock_states(tx, [attempt.invoice for attempt in attempts])
    others = {
        (attempt.merchant_id, lock[1])
        for attempt in attempts
        if (lock := locks.get(attempt.invoice)) and lock[0] == "attempt" and lock[1] != attempt.attempt_id
    }
    holders = await lock_open(tx, others) if others else {}
    around = {}
    for attempt in attempts:
        held_for, holder = locks.get(attempt.invoice, (None, None))
        around[attempt.attempt_id] = Circumstances(
            precedence=precedence[attempt.merchant_id],
            stopped=stopped.get(attempt.account_id),
            held=(attempt.merchant_id, attempt.customer_id) in held,
            holder=holders.get((attempt.merchant_id, holder)) if holder is not None else None,
            ending=held_for == "final_action",
        )
    return around


async def stopped_by(tx: Tx, account: Account) -> str | None:
    """Tell who has stopped charging on an account: the operator, the merchant, or nobody."""
    return (await stopped_among(tx, [account])).get(account.account_id)


async def stopped_among(tx: Tx, asked: Collection[Account]) -> dict[str, str]:
    """Tell on which of these accounts charging is stopped, and by whom."""
    if await tx.fetchval(sql.everything_stopped):
        return {account.account_id: "everything" for account in asked}
    settings = await accounts.stopped(tx, {account.merchant_id for account in asked})
    found = {}
    for account in asked:
        setting = settings.get(account.merchant_id)
        if setting is not None and setting.everything:
            found[account.account_id] = "merchant"
        elif account.collection_paused or (setting is not None and account.account_id in setting.accounts):
            found[account.account_id] = "account"
    return found


async def stop_everything(tx: Tx, *, stopped: bool) -> None:
    """Turn the operator's stop switch, over all merchants."""
    await tx.execute(sql.stop_everything, stopped)


async def account_of(tx: Tx, vault: Vault, merchant_id: str, account_id: str) -> Account | None:
    """Give an account that may be asked; None where it is disabled or not the merchant's."""
    return (await accounts_of(tx, vault, [(merchant_id, account_id)])).get((merchant_id, account_id))


async def accounts_of(
    tx: Tx, vault: Vault, asked: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Account]:
    """Give the accounts that may be asked, by merchant and account."""
    wanted = set(asked)
    opened = await accounts.opened(tx, vault, {account_id for _, account_id in wanted})
    found = {(account.merchant_id, account.account_id): account for account in opened.values()}
    return {name: account for name, account in found.items() if name in wanted and account.enabled}


def attempt_of(row: Mapping[str, Any]) -> Attempt:
    """Read a row."""
    fields = {name: value for name, value in row.items() if name in Attempt.__dataclass_fields__}
    fields |= {"kind": TryKind(row["kind"]), "state": AttemptState(row["state"]), "body": bytes(row["body"])}
    return Attempt(**fields)


def _written(attempt: Attempt) -> dict[str, Any]:
    written = {name: _jsonable(getattr(attempt, name)) for name in _ADDED}
    return {**written, "body": base64.b64encode(attempt.body).decode()}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, AttemptState) else value


def _jsonable(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return getattr(value, "value", value)
