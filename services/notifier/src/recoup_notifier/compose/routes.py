"""How a message would read with settings that are not saved yet: portal-api asks for it while a merchant edits."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from recoup_chassis.postgres import Database
from recoup_events.parts import Id
from recoup_events.settings import MailSetting, MerchantSetting, MessageSetting
from recoup_events.values import MessageKind
from recoup_notifier.compose import samples, store
from recoup_notifier.compose.links import Links
from recoup_notifier.compose.liquid import BadTemplate
from recoup_notifier.compose.mail import theirs

router = APIRouter()


class Wanted(BaseModel):
    """A message, a language, and the mail setting to try."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: Literal[MessageKind.PAYMENT_FAILED, MessageKind.ALL_SET, MessageKind.SIGN_IN]
    language: Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z]{2})?$")]
    mail: MailSetting


class Preview(BaseModel):
    """A mail as it would be sent. The HTML may be the merchant's: show it in a sandbox."""

    subject: str
    text: str
    html: str


@router.post("/internal/merchants/{merchant_id}/previews")
async def preview(merchant_id: Id, wanted: Wanted, request: Request) -> Preview:
    """Write a message from made-up facts. Unlike sending, this refuses a template that fails, and says where."""
    database: Database = request.app.state.database
    links: Links = request.app.state.links
    async with database.transaction([merchant_id]) as tx:
        known = (await store.merchants(tx, [merchant_id])).get(merchant_id)
        now = tx.now(merchant_id) if tx.knows(merchant_id) else tx.real_now
    about = known.merchant if known else MerchantSetting(name="Your company")
    sender = store.sender_of(merchant_id, about, wanted.mail)
    language = wanted.language.lower()
    edited = {name.lower(): message for name, message in wanted.mail.messages.get(wanted.message, {}).items()}
    given = samples.facts(wanted.message, language, sender, links, now)
    try:
        mail = theirs(given, edited.get(language, MessageSetting()), language)
    except BadTemplate as bad:
        raise HTTPException(422, f"{wanted.message}.{wanted.language}.{bad}") from bad
    return Preview(subject=mail.subject, text=mail.text, html=mail.html)
