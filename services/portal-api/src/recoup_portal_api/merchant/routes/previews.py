"""What a message would look like with the merchant's wording."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from recoup_events.parts import Id
from recoup_events.settings import MailSetting
from recoup_portal_api.access.routes.api import ApiError, Who
from recoup_portal_api.clients import internal
from recoup_portal_api.clients.notifier import Notifier, Preview

router = APIRouter(tags=["settings"])


class Wanted(BaseModel, extra="forbid"):
    """Which message, in which language, with which wording."""

    message: Id
    language: Annotated[str, Field(min_length=2, max_length=35)]
    mail: MailSetting


def notifier(request: Request) -> Notifier:
    """Give the client of the notifier."""
    found: Notifier = request.app.state.notifier
    return found


Messages = Annotated[Notifier, Depends(notifier)]


@router.post("/previews")
async def preview(body: Wanted, who: Who, messages: Messages) -> Preview:
    """Render a message with made-up data; nothing is sent."""
    outcome = await messages.preview(who.merchant_id, body.model_dump(mode="json"))
    if isinstance(outcome, internal.Refused):
        raise ApiError(outcome.status, outcome.code, outcome.message)
    return outcome
