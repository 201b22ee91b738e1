"""API keys and the audit log."""

import secrets
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from pydantic import BaseModel

from recoup_events.settings import Name
from recoup_portal_api.access import domain, store
from recoup_portal_api.access.routes.api import ApiError, Db, Who

router = APIRouter(tags=["access"])

LAST = 2**62


class NewKey(BaseModel, extra="forbid"):
    """What a key is for."""

    name: Name = "API key"


class Key(BaseModel):
    """A key, without the key."""

    key_id: UUID
    name: str
    created_at: datetime
    revoked_at: datetime | None


class KeyOnce(Key):
    """A new key: shown now and never again."""

    api_key: str


class Keys(BaseModel):
    """All keys, the oldest first."""

    keys: list[Key]


class Change(BaseModel):
    """One change: who, what, before and after. `at` is real time."""

    entry_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: Any
    after: Any


class Changes(BaseModel):
    """Changes, the newest first; `next` goes into `before`."""

    entries: list[Change]
    next: int | None


@router.get("/keys")
async def list_keys(who: Who, db: Db) -> Keys:
    """List the API keys."""
    async with db.transaction([who.merchant_id]) as tx:
        found = await store.api_keys(tx, who.merchant_id)
    return Keys(keys=[Key(**vars(key)) for key in found])


@router.post("/keys", status_code=201)
async def create_key(body: NewKey, who: Who, db: Db) -> KeyOnce:
    """Make a new API key. To rotate: make one, use it everywhere, delete the old one."""
    key, key_id = domain.api_key(secrets.token_bytes(domain.SECRET_BYTES)), uuid4()
    async with db.transaction([who.merchant_id]) as tx:
        made = await store.add_api_key(tx, who.merchant_id, key_id, key, body.name)
        await store.audit(
            tx, who.merchant_id, who.actor, ("key.created", str(key_id)), after={"name": body.name}
        )
    return KeyOnce(**vars(made), api_key=key)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(key_id: UUID, who: Who, db: Db) -> None:
    """End a key at once. The last one can't be ended."""
    async with db.transaction([who.merchant_id]) as tx:
        live = await store.live_api_keys(tx, who.merchant_id)
        if key_id not in live:
            raise ApiError(404, "not_found", "there is no such key")
        if live == {key_id}:
            raise ApiError(409, "last_key", "this is the last key; make another one first")
        await store.revoke_api_key(tx, who.merchant_id, key_id)
        await store.audit(tx, who.merchant_id, who.actor, ("key.revoked", str(key_id)))


@router.get("/audit")
async def audit(
    who: Who,
    db: Db,
    before: Annotated[int, Query(ge=1, le=LAST)] = LAST,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Changes:
    """List who changed what."""
    async with db.transaction([who.merchant_id]) as tx:
        found = await store.audit_log(tx, who.merchant_id, before, limit)
    entries = [Change(**vars(entry)) for entry in found]
    return Changes(entries=entries, next=entries[-1].entry_id if len(entries) == limit else None)
