"""The whole gateway in memory: its accounts, and what they share (ledger, webhooks, the time loop)."""

import asyncio
import logging
from dataclasses import dataclass, field

from practice_gateway.account import Account
from practice_gateway.act import Act
from practice_gateway.idempotency import IdempotencyKeys
from practice_gateway.ids import new_id, new_secret
from practice_gateway.ledger import Ledger
from practice_gateway.model import CheckoutSession, Invoice
from practice_gateway.versions import Version, parse_version
from practice_gateway.webhooks import Deliverer

log = logging.getLogger(__name__)

IDLE = 0.2  # longest real pause of the time loop, seconds: a changed clock is noticed that soon
BATCH = 500  # timers of one account that run at once; their captures share an fsync


@dataclass(slots=True, kw_only=True)
class Gateway:
    """Accounts by id and by key. idempotency_lifetime: real seconds."""

    ledger: Ledger
    deliverer: Deliverer
    default_version: str
    idempotency_lifetime: float
    origin: str = ""
    accounts: dict[str, Account] = field(default_factory=dict)
    by_key: dict[str, Account] = field(default_factory=dict)
    pages: dict[str, tuple[Account, Invoice]] = field(default_factory=dict)  # by the secret in the address
    sessions: dict[str, tuple[Account, CheckoutSession]] = field(default_factory=dict)

    def open_account(
        self,
        *,
        name: str,
        identifier: str | None = None,
        api_key: str | None = None,
        version: str | None = None,
    ) -> Account:
        """Open an account.

        Raises:
            ValueError: the id or the key is taken.
            StripeError: the version is none.
        """
        identifier = identifier or new_id("acct", 16)
        api_key = api_key or new_secret("sk_test_")
        if identifier in self.accounts or api_key in self.by_key:
            message = f"account {identifier} or its key exists already"
            raise ValueError(message)
        account = Account(
            id=identifier,
            name=name,
            api_key=api_key,
            version=self._version(version),
            idempotency=IdempotencyKeys(self.idempotency_lifetime),
        )
        self.accounts[identifier] = account
        self.by_key[api_key] = account
        return account

    def _version(self, name: str | None) -> Version:
        return parse_version(name or self.default_version)

    def itself(self, account: Account) -> Act:
        """Return an act of the gateway's own: no request, no key."""
        return Act(self, account, "gateway")

    async def keep_time(self) -> None:
        """Run what falls due on each account's clock, until cancelled."""
        while True:
            await asyncio.sleep(self._pause())
            await asyncio.gather(*(self._run_due(account) for account in self.accounts.values()))

    def _pause(self) -> float:
        pauses = [IDLE]
        for account in self.accounts.values():
            due = account.timers.next_due()
            if due is not None:
                pauses.append(account.clock.real_seconds_until(due))
        return max(min(pauses), 0.001)

    async def _run_due(self, account: Account) -> None:
        now = account.clock.now()
        account.events.prune(now)
        actions = account.timers.take_due(now, BATCH)
        outcomes = await asyncio.gather(*(action() for action in actions), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                log.error("timer.failed account=%s", account.id, exc_info=outcome)
