"""After a restore: learn again what the gateway knows and the restored database does not. Charging is off meanwhile.

Promise: every event since the cursor's instant is stored again, every invoice that was open is read as it is now, and
every snapshot is told again; what could not be read is counted.
"""

from dataclasses import dataclass

from recoup_chassis.postgres import Database
from recoup_chassis.queries import load
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import Account, AccountRef
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.facts.cursor import EVERY, EventCursor
from recoup_gateway_adapter.facts.handlers import observe
from recoup_gateway_adapter.facts.republish import republish
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.gateways.stripe.translate import observations_of

sql = load(__package__, "reconcile.sql")


@dataclass(frozen=True)
class Reconciled:
    """What was read. Charging stays off while there is anything in `lists_unread` or `invoices_unread`."""

    invoices: int
    snapshots: int
    lists_unread: list[str]
    invoices_unread: list[str]


async def reconcile(database: Database, vault: Vault, session: Http) -> Reconciled:
    """Read event lists and open invoices of all enabled accounts. Safe to repeat, and to run beside the service."""
    async with database.transaction(()) as tx:
        enabled = await accounts.enabled(tx)
        await tx.execute(sql.hasten, EVERY)
    cursor = EventCursor(database, vault, session)
    while await cursor.once():
        pass
    async with database.transaction(()) as tx:
        lists_unread = [row["account_id"] for row in await tx.fetch(sql.behind)]
    read = 0
    unread: list[str] = []
    for ref in enabled:
        done, failed = await _account(database, vault, session, ref)
        read, unread = read + done, unread + failed
    return Reconciled(read, await republish(database), lists_unread, unread)


async def _account(database: Database, vault: Vault, session: Http, ref: AccountRef) -> tuple[int, list[str]]:
    async with database.transaction([ref.merchant_id]) as tx:
        account = (await accounts.opened(tx, vault, [ref.account_id]))[ref.account_id]
        invoices = await tx.fetch(sql.open_invoices, ref.account_id)
    read = 0
    unread: list[str] = []
    client = StripeClient(session, account)
    for row in invoices:
        if await _invoice(database, client, account, row["invoice_id"], row["customer_id"]):
            read += 1
        else:
            unread.append(row["invoice_id"])
    return read, unread


async def _invoice(
    database: Database, client: StripeClient, account: Account, invoice_id: str, customer_id: str
) -> bool:
    """Read an invoice with its charges and observe them; False where nobody could say how it stands."""
    found = await charges.read_invoice(client, invoice_id, with_charges=True)
    if isinstance(found, Missing):
        return True
    if not isinstance(found, Read):
        log.warning("invoice.unread", account=account.account_id, invoice=invoice_id)
        return False
    async with database.transaction([account.merchant_id]) as tx:
        await tx.lock_customers([(account.merchant_id, customer_id)])
        at = tx.now(account.merchant_id).replace(microsecond=0)
        await observe(tx, account, [one for thing in found.objects for one in observations_of(thing, at=at)])
    return True
