"""Internal HTTP: webhooks that could not be translated, to be looked at and translated again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from recoup_chassis.postgres import Database
from recoup_gateway_adapter.facts.store import sql

MerchantId = Annotated[str, Path(pattern=r"^[^\x00-\x1f]{1,64}$")]


class SetAside(BaseModel):
    """A webhook that waits for a person; its body is not shown, for it may hold personal data."""

    raw_webhook_id: int
    account_id: str
    webhook_id: str
    event_type: str
    event_at: datetime
    reason: str
    detail: str
    set_aside_at: datetime


class SetAsideList(BaseModel):
    """The newest 500."""

    webhooks: list[SetAside]


class TranslatedAgain(BaseModel):
    """How many are translated again now."""

    webhooks: int


def routes(database: Database) -> APIRouter:
    """Give the facts' part of the internal application."""
    router = APIRouter(prefix="/internal/merchants/{merchant_id}/webhooks-set-aside", tags=["facts"])

    @router.get("")
    async def list_set_aside(merchant_id: MerchantId) -> SetAsideList:
        """List webhooks that could not be translated, and why."""
        async with database.transaction([merchant_id]) as tx:
            rows = await tx.fetch(sql.list_set_aside, merchant_id)
        return SetAsideList(webhooks=[SetAside.model_validate(dict(row)) for row in rows])

    @router.post("/translate-again")
    async def translate_again(merchant_id: MerchantId) -> TranslatedAgain:
        """Translate them again, for instance after a release that reads them."""
        async with database.transaction([merchant_id]) as tx:
            return TranslatedAgain(webhooks=await tx.fetchval(sql.translate_again, merchant_id))

    return router
