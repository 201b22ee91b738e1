"""All that is known around a batch of messages, read at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from recoup_chassis.postgres import Customer, Tx
from recoup_notifier.compose import store as merchants_store
from recoup_notifier.compose.store import Merchant
from recoup_notifier.contacts import store as contacts_store
from recoup_notifier.contacts.domain import Contact
from recoup_notifier.correspondence.domain import Queued, Surroundings
from recoup_notifier.sequences import store as cases_store
from recoup_notifier.sequences.domain import Case


@dataclass(frozen=True)
class Known:
    """Cases, contacts, merchants and held customers of a batch."""

    cases: Mapping[tuple[str, UUID], Case]
    contacts: Mapping[Customer, Contact]
    merchants: Mapping[str, Merchant]
    held: frozenset[Customer]

    @classmethod
    async def read(cls, tx: Tx, messages: Sequence[Queued]) -> Self:
        """Read what is known around these messages."""
        customers = {(message.merchant_id, message.customer_id) for message in messages}
        return cls(
            cases=await cases_store.find(
                tx, ((m.merchant_id, m.case_id) for m in messages if m.case_id is not None)
            ),
            contacts=await contacts_store.find(tx, customers),
            merchants=await merchants_store.merchants(tx, (m.merchant_id for m in messages)),
            held=frozenset(await tx.held(customers)),
        )

    def case_of(self, message: Queued) -> Case | None:
        """Give the case that a message is about."""
        return self.cases.get((message.merchant_id, message.case_id)) if message.case_id else None

    def around(self, tx: Tx, message: Queued) -> Surroundings:
        """Give what is to be judged with a message."""
        customer = (message.merchant_id, message.customer_id)
        return Surroundings(
            now=tx.now(message.merchant_id),
            real_now=tx.real_now,
            case=self.case_of(message),
            contact=self.contacts.get(customer),
            merchant_known=message.merchant_id in self.merchants,
            held=customer in self.held,
        )
