"""What stands in an attempt's way on our own side; read in the transaction before each request."""

from recoup_chassis.postgres import Tx
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import Account
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import store
from recoup_gateway_adapter.charging.domain import Attempt, Circumstances


async def circumstances(tx: Tx, attempt: Attempt, account: Account) -> Circumstances:
    """Read the stop switches, precedence, quarantine, and who holds the invoice."""
    customer = attempt.merchant_id, attempt.customer_id
    precedence = await accounts.precedence(tx, [attempt.merchant_id])
    lock = await store.lock_state(tx, attempt.invoice)
    holder = None
    if lock is not None and lock[0] == "attempt" and lock[1] != attempt.attempt_id:
        holder = await store.lock_open(tx, attempt.merchant_id, lock[1])
    return Circumstances(
        precedence=precedence[attempt.merchant_id],
        stopped=await stopped_by(tx, account),
        held=customer in await tx.held([customer]),
        holder=holder,
        ending=lock is not None and lock[0] == "final_action",
    )


async def stopped_by(tx: Tx, account: Account) -> str | None:
    """Tell who has stopped charging on an account: the operator, the merchant, or nobody."""
    if await tx.fetchval(store.sql.everything_stopped):
        return "everything"
    setting = (await accounts.stopped(tx, [account.merchant_id])).get(account.merchant_id)
    if setting is not None and setting.everything:
        return "merchant"
    if account.collection_paused or (setting is not None and account.account_id in setting.accounts):
        return "account"
    return None


async def account_of(tx: Tx, vault: Vault, merchant_id: str, account_id: str) -> Account | None:
    """Give an account that may be asked; None where it is disabled or not the merchant's."""
    account = (await accounts.opened(tx, vault, [account_id])).get(account_id)
    if account is None or account.merchant_id != merchant_id or not account.enabled:
        return None
    return account
