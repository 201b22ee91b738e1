"""Internal HTTP: accounts and their secrets, which travel only this way."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from recoup_chassis.postgres import Database
from recoup_events.settings import Name
from recoup_gateway_adapter.accounts import store
from recoup_gateway_adapter.accounts.domain import NewAccount
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.internal import Problem, Refusal
from recoup_gateway_adapter.work import store as work

MerchantId = Annotated[str, Path(pattern=r"^[^\x00-\x1f]{1,64}$")]
AccountId = Annotated[str, Path(pattern=r"^[a-zA-Z0-9_-]{3,64}$")]
Secret = Annotated[str, Field(min_length=8, max_length=500, pattern=r"^[\x21-\x7e]+$")]

LONGEST_ROTATION = 7 * 24 * 3600
"""Seconds. Stripe itself keeps an old secret for at most 24 hours."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AccountBody(_Body):
    """An account as a merchant connects it."""

    gateway: Annotated[str, Field(pattern="^stripe$")]
    name: Name
    livemode: bool
    base_url: Annotated[str, Field(max_length=500, pattern=r"^https?://[^\s]+$")] | None = None
    api_key: Secret
    webhook_secret: Secret
    api_version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")] | None = None
    collection_paused: bool | None = None


class AccountAnswer(BaseModel):
    """Where the gateway is to post."""

    account_id: str
    webhook_path: str


class RotationBody(_Body):
    """A new webhook secret."""

    webhook_secret: Secret
    keep_old_for_seconds: Annotated[int, Field(ge=0, le=LONGEST_ROTATION)] = 24 * 3600


def routes(database: Database, vault: Vault, doors: Doors) -> APIRouter:
    """Give the accounts' part of the internal application."""
    router = APIRouter(prefix="/internal/merchants/{merchant_id}/accounts/{account_id}", tags=["accounts"])

    @router.put("", responses={409: {"model": Problem}})
    async def put_account(merchant_id: MerchantId, account_id: AccountId, body: AccountBody) -> AccountAnswer:
        """Connect an account, or replace what is known of it. Its id is unique over all merchants."""
        new = NewAccount(
            account_id=account_id,
            merchant_id=merchant_id,
            gateway=body.gateway,
            name=body.name,
            livemode=body.livemode,
            base_url=body.base_url.rstrip("/") if body.base_url else None,
            api_version=body.api_version,
            collection_paused=body.collection_paused,
            api_key=body.api_key,
            webhook_secret=body.webhook_secret,
        )
        async with database.transaction([merchant_id]) as tx:
            if not await store.put(tx, vault, new):
                raise Refusal(409, "account_taken", f"account id {account_id} is taken; choose another")
            await work.reopen(tx, merchant_id, account_id)
        doors.forget(account_id)
        return AccountAnswer(account_id=account_id, webhook_path=f"/webhooks/{body.gateway}/{account_id}")

    @router.post("/webhook-secret", status_code=204, responses={404: {"model": Problem}})
    async def rotate_webhook_secret(
        merchant_id: MerchantId, account_id: AccountId, body: RotationBody
    ) -> Response:
        """Take a new webhook secret; webhooks signed with the old one are let in for a while longer."""
        keep = timedelta(seconds=body.keep_old_for_seconds)
        async with database.transaction([merchant_id]) as tx:
            if not await store.rotate_webhook_secret(
                tx, vault, merchant_id, account_id, body.webhook_secret, keep
            ):
                raise Refusal(404, "no_such_account", f"the merchant has no account {account_id}")
        doors.forget(account_id)
        return Response(status_code=204)

    @router.delete("", status_code=204, responses={404: {"model": Problem}})
    async def disable_account(merchant_id: MerchantId, account_id: AccountId) -> Response:
        """Let nothing of this account in or out any more; what is known of it stays."""
        async with database.transaction([merchant_id]) as tx:
            if not await store.disable(tx, merchant_id, account_id):
                raise Refusal(404, "no_such_account", f"the merchant has no account {account_id}")
        doors.forget(account_id)
        return Response(status_code=204)

    return router
