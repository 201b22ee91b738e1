"""A person waits for a mail that lets them in: portal-api asks for it here.

Promise: the address comes from our own contacts, never from the caller; the link leads to our own pages only.
"""

from datetime import timedelta
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from recoup_chassis.postgres import Database
from recoup_chassis.process import Loop
from recoup_events.parts import Id
from recoup_notifier.channels.mail import address_of
from recoup_notifier.contacts import store as contacts
from recoup_notifier.correspondence import store
from recoup_notifier.correspondence.store import SignInMail

router = APIRouter()


class Wanted(BaseModel):
    """A sign-in mail to a customer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: Id
    url: Annotated[str, Field(max_length=2000, pattern=r"^[!-~]+$")]
    expires_in_minutes: Annotated[int, Field(ge=1, le=60)]


class Answer(BaseModel):
    """Whether there is an address. For the caller alone: nothing shown to a customer may depend on it."""

    sent: bool


@router.post("/internal/merchants/{merchant_id}/sign-in-mails", status_code=202)
async def sign_in_mail(merchant_id: Id, wanted: Wanted, request: Request) -> Answer:
    """Queue a sign-in mail before all others. Not safe to repeat: each call is one mail."""
    database: Database = request.app.state.database
    sending: Loop = request.app.state.sending
    if not wanted.url.startswith(f"{request.app.state.portal_base_url}/"):
        raise HTTPException(422, "url: must lead to PORTAL_BASE_URL")
    customer = merchant_id, wanted.customer_id
    async with database.transaction([merchant_id]) as tx:
        await tx.lock_customers([customer])
        contact = (await contacts.find(tx, [customer])).get(customer)
        if contact is None or address_of(contact.email) is None:
            return Answer(sent=False)
        await store.queue_sign_in(
            tx,
            SignInMail(
                merchant_id=merchant_id,
                message_id=uuid4(),
                customer_id=wanted.customer_id,
                account_id=contact.account_id,
                link=wanted.url,
                expires_at=tx.real_now + timedelta(minutes=wanted.expires_in_minutes),
            ),
        )
    sending.wake()
    return Answer(sent=True)
