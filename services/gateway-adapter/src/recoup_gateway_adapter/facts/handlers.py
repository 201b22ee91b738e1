"""Observe: remember what a gateway said, join it, tell what follows. The one door for webhooks, answers and lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recoup_chassis.postgres import Tx
from recoup_events.values import FailureNature
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.card_sessions import store as card_sessions
from recoup_gateway_adapter.card_sessions.domain import SessionState
from recoup_gateway_adapter.charging import handlers as charging, store as attempts
from recoup_gateway_adapter.charging.domain import ChargeOutcome, ChargeResult
from recoup_gateway_adapter.facts import store
from recoup_gateway_adapter.facts.domain import snapshots
from recoup_gateway_adapter.facts.domain.facts import (
    AT_ONCE,
    Attempt,
    Circumstances,
    Consequences,
    Join,
    PaymentFailed,
)
from recoup_gateway_adapter.facts.domain.follow import follow, spread
from recoup_gateway_adapter.facts.domain.merge import failure_id, merge
from recoup_gateway_adapter.facts.domain.needs import Need, needs
from recoup_gateway_adapter.facts.domain.records import Key, Kind, Known
from recoup_gateway_adapter.facts.events import event_of, snapshot_of
from recoup_gateway_adapter.gateways.contract import (
    Charge,
    ChargeStatus,
    CheckoutSession,
    CollectionFailed,
    Customer,
    InstrumentRevoked,
    Invoice,
    Observation,
    PaymentIntent,
    PaymentLink,
    PaymentMethod,
    Reversal,
    Subscription,
)
from recoup_gateway_adapter.work import store as work
from recoup_gateway_adapter.work.domain import Kind as WorkKind, Priority

RESULTS = {
    ChargeStatus.PENDING: ChargeResult.PENDING,
    ChargeStatus.AUTHORISED: ChargeResult.PENDING,
    ChargeStatus.SUCCEEDED: ChargeResult.SUCCEEDED,
    ChargeStatus.FAILED: ChargeResult.FAILED,
}


@dataclass(frozen=True)
class Around:
    """What a caller knows beyond the observations themselves.

    Args:
        settling: by instrument, the card session that brought it and the invoices which that session charges itself.
        settle: joins that have waited long enough.
        unanswered: those of them of which the gateway said nothing.
    """

    settling: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    settle: frozenset[Join] = frozenset()
    unanswered: frozenset[Join] = frozenset()


_NOTHING = Around()


@dataclass(frozen=True)
class Look:
    """What is looked at of one account: what the gateway said, and joins that may be over."""

    seen: Sequence[Observation] = ()
    joins: frozenset[Join] = frozenset()
    around: Around = _NOTHING


async def observe(
    tx: Tx, account: AccountRef, observations: Sequence[Observation], around: Around = _NOTHING
) -> None:
    """Remember observations of one account and tell what follows, once. Safe to repeat.

    The transaction must concern the account's merchant.
    """
    await observe_all(tx, {account: observations}, around)


async def observe_all(
    tx: Tx, batch: Mapping[AccountRef, Sequence[Observation]], around: Around = _NOTHING
) -> None:
    """Remember observations of several accounts at once."""
    await _look(tx, {account: Look(seen=seen, around=around) for account, seen in batch.items()})


async def reconsider_all(tx: Tx, looks: Mapping[AccountRef, Look]) -> dict[tuple[str, Join], list[Need]]:
    """Look again at what joins wait for; end those that wait no longer, and give what to ask for by the others.

    A join is named together with its account's id.
    """
    waiting: dict[tuple[str, Join], list[Need]] = {}
    done: list[tuple[AccountRef, Join]] = []
    for told in await _look(tx, looks):
        look = looks[told.account]
        for join in look.joins:
            missing = needs(told.known, join)
            asks = join.kind in AT_ONCE and join not in look.around.settle
            if join in told.out.waits or (asks and missing):
                waiting[told.account.account_id, join] = missing
            else:
                done.append((told.account, join))
    await store.update_joins(tx, (), done)
    return waiting


async def _look(tx: Tx, looks: Mapping[AccountRef, Look]) -> list["_Told"]:
    wanted = {
        account: {
            *(name for one in look.seen for name in _ids(one)),
            *(join.subject for join in look.joins),
        }
        for account, look in looks.items()
    }
    named = {
        (account.merchant_id, customer)
        for account, look in looks.items()
        for seen in look.seen
        if (customer := getattr(seen.thing, "customer_id", None))
    }
    await _look_at_pages(tx, looks)
    known = await _load(tx, wanted, named)
    told = [await _follow(tx, account, known[account.account_id], look) for account, look in looks.items()]
    await _tell(tx, told)
    return told


async def _look_at_pages(tx: Tx, looks: Mapping[AccountRef, Look]) -> None:
    """Have our own card sessions read soon whose page was completed or has expired."""
    pages = [
        (account, seen.thing)
        for account, look in looks.items()
        for seen in look.seen
        if isinstance(seen.thing, CheckoutSession) and seen.thing.setup and seen.thing.status != "open"
    ]
    for account, page in pages:
        session = await card_sessions.of_gateway(tx, account.account_id, page.session_id)
        if session is not None and session.state is SessionState.OPEN:
            ours = str(session.card_session_id)
            what = (WorkKind.CARD_SESSION, session.merchant_id, session.account_id, ours, session.customer_id)
            await work.put(tx, [work.Item(*what, Priority.SOON, tx.real_now)])


async def _tell(tx: Tx, followed: Sequence["_Told"]) -> None:
    """Save what is known now, and announce what follows."""
    await store.save(tx, [(told.account, told.known) for told in followed])
    await store.update_joins(
        tx,
        [(told.account, join) for told in followed for join in told.out.waits],
        [(told.account, join) for told in followed for join in told.out.done],
    )
    await tx.emit(
        event
        for told in followed
        for event in (
            *(snapshot_of(told.account, record) for record in told.renewed),
            *(event_of(told.account, fact) for fact in told.out.facts),
        )
    )
    outcomes = [outcome for told in followed for outcome in told.outcomes]
    if outcomes:
        await charging.outcome_known(tx, outcomes)
    for told in followed:
        await charging.collection_is_on(tx, told.account, _still_collected(told.out))


def _still_collected(out: Consequences) -> list[tuple[str, str]]:
    """Give customer and invoice of each failed renewal that the gateway goes on charging by itself."""
    return sorted(
        (fact.customer_id, fact.invoice.invoice_id)
        for fact in out.facts
        if isinstance(fact, PaymentFailed)
        and fact.nature is FailureNature.RENEWAL
        and fact.invoice is not None
        and fact.invoice.invoice is not None
        and fact.invoice.invoice.collected_by_gateway
    )


async def _load(
    tx: Tx, wanted: Mapping[AccountRef, set[str]], named: set[tuple[str, str]]
) -> dict[str, Known]:
    """Hold the customers concerned and load what is known; again where a customer turns up only then."""
    ids = {account.account_id: names for account, names in wanted.items()}
    await tx.lock_customers(named)
    known = await store.around(tx, ids)
    found = {
        (account.merchant_id, customer)
        for account in wanted
        for customer in _customers(known[account.account_id])
        if not tx.holds((account.merchant_id, customer))
    }
    if not found:
        return known
    await tx.lock_customers(found)
    return await store.around(tx, ids)


def _customers(known: Known) -> set[str]:
    found = {
        *(known.customer_of(record) for record in known.charges.values()),
        *(record.customer_id for record in known.intents.values()),
        *(record.invoice.customer_id for record in known.invoices.values()),
        *(record.customer_id for record in known.instruments.values()),
    }
    return {customer for customer in found if customer}


def _ids(seen: Observation) -> set[str]:  # noqa: C901  # one line a thing
    match seen.thing:
        case Charge() as thing:
            ids = {thing.charge_id, thing.payment_intent_id, thing.invoice_id}
        case PaymentIntent() as thing:
            ids = {thing.payment_intent_id, thing.charge_id, thing.invoice_id}
        case PaymentLink() as thing:
            ids = {thing.payment_intent_id, thing.charge_id, thing.invoice_id}
        case Invoice() as thing:
            intent = thing.payment_intent_id
            ids = {thing.invoice_id, thing.charge_id, intent, thing.customer_id, thing.subscription_id}
        case CollectionFailed() as thing:
            ids = {thing.invoice_id, thing.charge_id, failure_id(thing, seen.request_key)}
        case PaymentMethod(instrument):
            ids = {instrument.instrument_id}
        case InstrumentRevoked(instrument_id):
            ids = {instrument_id}
        case Customer() as thing:
            ids = {thing.customer_id}
        case Subscription() as thing:
            ids = {thing.subscription_id}
        case Reversal() as thing:
            ids = {thing.reversal_id, thing.charge_id}
        case CheckoutSession():
            ids = set()
    return {name for name in ids if name}


@dataclass
class _Told:
    account: AccountRef
    known: Known
    out: Consequences
    renewed: list[snapshots.Snapshot]
    outcomes: list[ChargeOutcome]


async def _follow(tx: Tx, account: AccountRef, known: Known, look: Look) -> _Told:
    before = snapshots.contents(known)
    concerned = merge(known, look.seen) | {(kind, join.subject) for join in look.joins for kind in Kind}
    renewed = snapshots.renew(known, before)
    circumstances = Circumstances(
        attempts=await _attempts(tx, account, known),
        choosing=await _choosing(tx, account, known),
        settling=look.around.settling,
        settle=look.around.settle,
        unanswered=look.around.unanswered,
    )
    out = follow(known, concerned, circumstances)
    return _Told(account, known, out, renewed, _outcomes(account, known, concerned, out))


async def _attempts(tx: Tx, account: AccountRef, known: Known) -> dict[str, Attempt]:
    keys = {record.origin for record in known.charges.values() if record.origin}
    keys |= {record.origin for record in known.failures.values() if record.origin}
    if not keys and not known.charges:
        return {}
    found: dict[str, Attempt] = {}
    for attempt in await attempts.attempts_by(tx, account.account_id, sorted(keys), sorted(known.charges)):
        found[attempt.idempotency_key] = attempt
        if attempt.charge_id is not None:
            found[attempt.charge_id] = attempt
    return found


async def _choosing(tx: Tx, account: AccountRef, known: Known) -> frozenset[str]:
    customers = {
        record.customer_id for record in known.instruments.values() if record.pending and record.customer_id
    }
    if not customers:
        return frozenset()
    return frozenset(await card_sessions.choosing(tx, account.account_id, sorted(customers)))


def _outcomes(
    account: AccountRef, known: Known, concerned: set[Key], out: Consequences
) -> list[ChargeOutcome]:
    """Say what became of every charge concerned, and of failures that were told without one."""
    charges = [known.charges[name] for kind, name in sorted(spread(known, concerned)) if kind is Kind.CHARGE]
    seen = [
        ChargeOutcome(
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            result=RESULTS[record.charge.status],
            idempotency_key=record.origin or None,
            charge_id=record.charge_id,
            payment_intent_id=record.payment_intent_id,
            invoice_id=known.invoice_of(record)[1],
            decline_code=record.charge.decline.code,
        )
        for record in charges
        if record.charge is not None
    ]
    without = [
        ChargeOutcome(
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            result=ChargeResult.FAILED,
            idempotency_key=known.failures[fact.identity].origin or None,
            payment_intent_id=fact.payment_intent_id,
            invoice_id=fact.invoice.invoice_id if fact.invoice else None,
            decline_code=fact.decline.code,
        )
        for fact in out.facts
        if isinstance(fact, PaymentFailed) and fact.identity in known.failures
    ]
    return [*seen, *without]
