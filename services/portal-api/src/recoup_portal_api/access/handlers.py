"""Who stands at a customer's page: the bearer of a pay link, or somebody who has signed in by mail."""

import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from recoup_chassis.postgres import Database, Tx
from recoup_events import links
from recoup_events.links import PayLink
from recoup_portal_api.access import domain, store


class LinkKeys:
    """The public keys of pay links, by key id."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name: Ed25519PublicKey.from_public_bytes(raw) for name, raw in keys.items()}

    def read(self, token: str) -> PayLink | None:
        """Read a link's last path segment; None where it is not the notifier's."""
        try:
            link = links.parse(token)
            key = self._keys[link.key_id]
            key.verify(link.signature, links.to_sign(link.merchant_id, link.case_id, link.key_id))
        except (ValueError, KeyError, InvalidSignature):
            return None
        return link


async def invite(db: Database, merchant_id: str, contact: bytes) -> str | None:
    """Make the token of a sign-in link for an address; None when it had its share of mails already."""
    token = domain.token(secrets.token_bytes(domain.SECRET_BYTES))
    async with db.transaction([merchant_id]) as tx:
        since = tx.real_now - domain.SIGN_IN_MAILS_WITHIN
        if await store.mails_since(tx, merchant_id, contact, since) >= domain.SIGN_IN_MAILS:
            return None
        await store.add_sign_in_token(tx, merchant_id, token, contact)
    return token


async def sign_in(tx: Tx, merchant_id: str, token: str) -> str | None:
    """Use a sign-in link up and begin a session; None where the link is used, expired or wrong."""
    contact = await store.consume_sign_in_token(tx, merchant_id, token)
    if contact is None:
        return None
    session = domain.token(secrets.token_bytes(domain.SECRET_BYTES))
    await store.add_session(tx, merchant_id, session, contact)
    return session
