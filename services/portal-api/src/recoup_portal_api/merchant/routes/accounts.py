"""Gateway accounts. Secrets pass through to gateway-adapter; they are never kept, logged or shown."""

from typing import Annotated, Any, assert_never

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field, SecretStr

from recoup_events.parts import Id
from recoup_events.settings import AccountSetting, Name
from recoup_portal_api.access.routes.api import ApiError, Db, Who, refused
from recoup_portal_api.clients import internal
from recoup_portal_api.clients.gateway_adapter import GatewayAdapter
from recoup_portal_api.config import Config
from recoup_portal_api.merchant import handlers
from recoup_portal_api.policy import domain as policy, store

router = APIRouter(tags=["accounts"])

AccountId = Annotated[str, Path(pattern=r"^[a-zA-Z0-9_-]{3,64}$", description="chosen by you")]
Secret = Annotated[SecretStr, Field(min_length=8, max_length=500)]


class AccountIn(BaseModel, extra="forbid"):
    """An account at a gateway, with its secrets. `base_url`: a practice gateway's address, sandbox only."""

    gateway: Id
    name: Name
    livemode: bool
    base_url: Annotated[str, Field(max_length=500, pattern=r"^https?://[^\s@]+$")] | None = None
    api_key: Secret
    webhook_secret: Secret
    api_version: Annotated[str, Field(min_length=1, max_length=50)] | None = None


class AccountConnected(BaseModel):
    """Where the gateway must post this account's webhooks."""

    account_id: str
    webhook_url: str


class AccountOut(BaseModel):
    """An account, without its secrets."""

    account_id: str
    version: int
    account: AccountSetting


class Accounts(BaseModel):
    """All accounts, by id."""

    accounts: list[AccountOut]


class WebhookSecret(BaseModel, extra="forbid"):
    """A new webhook secret; the old one is accepted for a while, up to seven days."""

    webhook_secret: Secret
    keep_old_for_seconds: Annotated[int, Field(ge=0, le=7 * 86_400)] = 86_400


def gateway_adapter(request: Request) -> GatewayAdapter:
    """Give the client of gateway-adapter."""
    found: GatewayAdapter = request.app.state.adapter
    return found


def config(request: Request) -> Config:
    """Give our environment."""
    found: Config = request.app.state.config
    return found


Adapter = Annotated[GatewayAdapter, Depends(gateway_adapter)]
Env = Annotated[Config, Depends(config)]


@router.put("/accounts/{account_id}")
async def put_account(
    account_id: AccountId, body: AccountIn, who: Who, db: Db, adapter: Adapter, env: Env
) -> AccountConnected:
    """Connect a gateway account, or give it new secrets. Safe to repeat."""
    if body.base_url is not None and not _allowed(body.base_url, env):
        raise ApiError(
            422, "invalid", "base_url: not among the addresses that this installation allows", field="base_url"
        )  # fmt: skip
    setting = AccountSetting(
        gateway=body.gateway, name=body.name, livemode=body.livemode, base_url=body.base_url
    )
    secrets: dict[str, Any] = {
        "api_key": body.api_key.get_secret_value(),
        "webhook_secret": body.webhook_secret.get_secret_value(),
    }
    if body.api_version is not None:
        secrets["api_version"] = body.api_version
    outcome = await handlers.connect(db, adapter, who, account_id, (setting, secrets))
    match outcome:
        case handlers.Connected(webhook_path):
            return AccountConnected(account_id=account_id, webhook_url=env.ingest_base_url + webhook_path)
        case policy.Refused():
            raise refused(outcome)
        case internal.Refused():
            raise _passed_on(outcome)
        case _:
            assert_never(outcome)


@router.get("/accounts")
async def list_accounts(who: Who, db: Db) -> Accounts:
    """List the gateway accounts."""
    async with db.transaction([who.merchant_id]) as tx:
        found = await store.accounts(tx, who.merchant_id)
    return Accounts(
        accounts=[
            AccountOut(
                account_id=row.setting.removeprefix("account/"),
                version=row.version,
                account=AccountSetting.model_validate(row.value),
            )
            for row in found
        ]
    )


@router.post("/accounts/{account_id}/webhook-secret", status_code=204)
async def rotate(account_id: AccountId, body: WebhookSecret, who: Who, db: Db, adapter: Adapter) -> None:
    """Give an account a new webhook secret."""
    secret = body.webhook_secret.get_secret_value(), body.keep_old_for_seconds
    _done(await handlers.rotate_webhook_secret(db, adapter, who, account_id, secret))


@router.delete("/accounts/{account_id}", status_code=204)
async def disconnect(account_id: AccountId, who: Who, db: Db, adapter: Adapter) -> None:
    """Switch an account off."""
    _done(await handlers.disconnect(db, adapter, who, account_id))


def _done(outcome: handlers.NoSuchAccount | policy.Refused | internal.Refused | None) -> None:
    match outcome:
        case None:
            return
        case handlers.NoSuchAccount():
            raise ApiError(404, "not_found", "there is no such account")
        case policy.Refused():
            raise refused(outcome)
        case internal.Refused():
            raise _passed_on(outcome)
        case _:
            assert_never(outcome)


def _passed_on(refusal: internal.Refused) -> ApiError:
    return ApiError(refusal.status, refusal.code, refusal.message)


def _allowed(base_url: str, env: Config) -> bool:
    return any(f"{base_url.lower()}/".startswith(f"{origin}/") for origin in env.allowed_gateways)
