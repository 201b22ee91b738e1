"""Keys, tokens, sessions and the audit log, at rest."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from recoup_chassis.postgres import Tx
from recoup_chassis.queries import load
from recoup_portal_api.access import domain

sql = load(__package__)


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key, without the key. Times are real."""

    key_id: UUID
    name: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class Entry:
    """One change, as the audit log has it."""

    entry_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: Any
    after: Any


async def find_api_key(tx: Tx, key: str) -> domain.Principal | None:
    """Tell whose key it is. By its hash, so that time tells nothing about the key; compared once more in full."""
    wanted = domain.hash_of(key)
    row = await tx.fetchrow(sql.find_api_key, wanted)
    if row is None or not hmac.compare_digest(row["key_hash"], wanted):
        return None
    return domain.Principal(row["merchant_id"], row["key_id"])


async def add_api_key(tx: Tx, merchant_id: str, key_id: UUID, key: str, name: str) -> ApiKey:
    """Keep a new key's hash."""
    created_at = await tx.fetchval(sql.add_api_key, merchant_id, key_id, domain.hash_of(key), name)
    return ApiKey(key_id, name, created_at, None)


async def api_keys(tx: Tx, merchant_id: str) -> list[ApiKey]:
    """Give all keys, the oldest first, revoked ones too."""
    return [ApiKey(**row) for row in await tx.fetch(sql.api_keys, merchant_id)]


async def live_api_keys(tx: Tx, merchant_id: str) -> set[UUID]:
    """Give the keys that work, and hold them until the transaction ends."""
    return {row["key_id"] for row in await tx.fetch(sql.lock_api_keys, merchant_id)}


async def revoke_api_key(tx: Tx, merchant_id: str, key_id: UUID) -> None:
    """End a key."""
    await tx.execute(sql.revoke_api_key, merchant_id, key_id)


async def audit(
    tx: Tx, merchant_id: str, actor: str, action: tuple[str, str], *, before: Any = None, after: Any = None
) -> None:
    """Write down who did what; `action` is what was done and to what."""
    await tx.execute(sql.write_audit, merchant_id, actor, *action, before, after)


async def audit_log(tx: Tx, merchant_id: str, before_entry: int, limit: int) -> list[Entry]:
    """Give changes, the newest first."""
    return [Entry(**row) for row in await tx.fetch(sql.audit_log, merchant_id, before_entry, limit)]


async def mails_since(tx: Tx, merchant_id: str, contact: bytes, since: datetime) -> int:
    """Count the sign-in links made for an address since a real instant and not used; nobody else counts meanwhile."""
    await tx.execute(sql.one_at_a_time, merchant_id, contact)
    return int(await tx.fetchval(sql.count_sign_in_tokens, merchant_id, contact, since))


async def add_sign_in_token(tx: Tx, merchant_id: str, token: str, contact: bytes) -> None:
    """Keep the hash of a link's token."""
    now, end = tx.real_now, tx.real_now + domain.SIGN_IN_LINK_LIVES
    await tx.execute(sql.add_sign_in_token, merchant_id, domain.hash_of(token), contact, now, end)


async def sign_in_token_is_good(tx: Tx, merchant_id: str, token: str) -> bool:
    """Tell whether a link would work, and change nothing."""
    count = await tx.fetchval(sql.sign_in_token_is_good, merchant_id, domain.hash_of(token), tx.real_now)
    return bool(count)


async def consume_sign_in_token(tx: Tx, merchant_id: str, token: str) -> bytes | None:
    """Use a link up; give the address hash it was made for, to exactly one caller."""
    contact: bytes | None = await tx.fetchval(
        sql.consume_sign_in_token, merchant_id, domain.hash_of(token), tx.real_now
    )
    return contact


async def add_session(tx: Tx, merchant_id: str, session: str, contact: bytes) -> None:
    """Keep the hash of a new session."""
    now, end = tx.real_now, tx.real_now + domain.SESSION_LIVES
    await tx.execute(sql.add_session, merchant_id, domain.hash_of(session), contact, now, end)


async def contact_of_session(tx: Tx, merchant_id: str, session: str) -> bytes | None:
    """Give the address hash of a session that is alive, and note that it was seen."""
    row = await tx.fetchrow(sql.session, merchant_id, domain.hash_of(session))
    if row is None or not domain.session_is_alive(
        seen_at=row["seen_at"], expires_at=row["expires_at"], now=tx.real_now
    ):
        return None
    await tx.execute(sql.touch_session, merchant_id, domain.hash_of(session), tx.real_now)
    contact: bytes = row["contact_hash"]
    return contact


async def end_session(tx: Tx, merchant_id: str, session: str) -> None:
    """Sign out."""
    await tx.execute(sql.end_session, merchant_id, domain.hash_of(session))


async def purge_expired(tx: Tx) -> int:
    """Delete what nobody can use any more, of all merchants."""
    return int(await tx.fetchval(sql.purge_expired))
