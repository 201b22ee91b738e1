"""Who stands at the door of a page, and whether its forms are ours.

Promise: a page is shown to the bearer of a good pay link, or to somebody signed in with the customer's address;
where the merchant wants both, to whoever has both. Nothing is looked up before the link's signature is verified.
"""

import secrets
from dataclasses import dataclass
from math import ceil
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import HTMLResponse

from recoup_chassis.postgres import Database
from recoup_portal_api.access import store as access
from recoup_portal_api.access.domain import SECRET_BYTES, SESSION_LIVES, Buckets, Marks, token as new_token
from recoup_portal_api.access.handlers import LinkKeys
from recoup_portal_api.clients.gateway_adapter import GatewayAdapter
from recoup_portal_api.clients.notifier import Notifier
from recoup_portal_api.config import Config
from recoup_portal_api.customer import domain, handlers
from recoup_portal_api.customer.handlers import Face, View
from recoup_portal_api.customer.routes.render import Page

Mark = Annotated[str, Form(max_length=200)]


class Turned(Exception):
    """The page says something else instead: this answer."""

    def __init__(self, answer: HTMLResponse) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


@dataclass(frozen=True)
class House:
    """What the pages need."""

    config: Config
    db: Database
    adapter: GatewayAdapter
    notifier: Notifier
    marks: Marks
    links: LinkKeys
    charges: Buckets
    mails: Buckets


def house(request: Request) -> House:
    """Give what the pages need."""
    found: House = request.app.state.house
    return found


@dataclass(frozen=True)
class Door:
    """A case's page and who stands there.

    Attributes:
        here: the page's path.
        holder: what only its reader has.
        admitted: whether what is owed may be shown; else a sign-in comes first.
    """

    page: Page
    view: View
    here: str
    holder: str
    admitted: bool

    def mark(self, request: Request) -> str:
        """Give the mark that this page's forms carry."""
        return house(request).marks.form(self.here, self.holder)


async def by_link(request: Request, token: str) -> Door:
    """Stand at a pay link's page.

    Raises:
        Turned: the link is not ours.
    """
    here = house(request)
    link = here.links.read(token)
    if link is None:
        raise Turned(plain(request).message("nolink", status=404))
    session = _cookie(request, link.merchant_id)
    async with here.db.transaction([link.merchant_id]) as tx:
        face = await handlers.face(tx, link.merchant_id)
        if face is None:
            raise Turned(plain(request).message("nolink", status=404))
        seen = await handlers.view(tx, face, link.case_id)
        admitted = not face.require_sign_in
        if not admitted and session:
            contact = await access.contact_of_session(tx, link.merchant_id, session)
            admitted = contact is not None and await handlers.belongs_to(tx, seen, contact)
    return Door(page_for(request, face, seen), seen, f"/pay/{token}", token + session, admitted)


async def by_session(request: Request, merchant_id: str, case_id: UUID) -> Door:
    """Stand at a case's page after signing in.

    Raises:
        Turned: nobody is signed in, or the case is somebody else's.
    """
    here = house(request)
    session = _cookie(request, merchant_id)
    async with here.db.transaction([merchant_id]) as tx:
        face = await handlers.face(tx, merchant_id)
        contact = await access.contact_of_session(tx, merchant_id, session) if session else None
        if face is None or contact is None:
            raise Turned(_away(f"/m/{merchant_id}" if face else None, request))
        seen = await handlers.view(tx, face, case_id)
        if not await handlers.belongs_to(tx, seen, contact):
            raise Turned(
                plain(request, face).message("nopage", status=404, link=(f"/m/{merchant_id}", "again"))
            )
    path = f"/m/{merchant_id}/cases/{case_id}"
    return Door(page_for(request, face, seen), seen, path, session, admitted=True)


def _away(to: str | None, request: Request) -> HTMLResponse:
    if to is None:
        return plain(request).message("nopage", status=404)
    return HTMLResponse(status_code=303, headers={"Location": to})


def plain(request: Request, face: Face | None = None) -> Page:
    """Give a page for whom we know no locale of."""
    return Page(request, domain.tag(None, request.headers.get("accept-language")), face)


def page_for(request: Request, face: Face, seen: View) -> Page:
    """Give a page in the language of a case's customer."""
    locale = seen.customer.locale if seen.customer else None
    return Page(request, domain.tag(locale, request.headers.get("accept-language")), face)


def ours(request: Request, page: Page, mark: str, place: tuple[str, str], back: str) -> None:
    """Let a form pass that one of our pages sent.

    Args:
        place: the page's path and what only its reader has.

    Raises:
        Turned: it came from elsewhere.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site not in {"same-origin", "none"} or not house(request).marks.is_form(*place, mark):
        raise Turned(page.message("form", status=403, link=(back, "reload")))


def seldom(page: Page, buckets: Buckets, name: str) -> None:
    """Let somebody do it who has not done it too often.

    Raises:
        Turned: 429.
    """
    if seconds := ceil(buckets.take(name)):
        raise Turned(page.message("often", status=429, seconds=seconds))


def whence(request: Request) -> str:
    """Give the address that asks."""
    return request.client.host if request.client else "unknown"


def _cookie(request: Request, merchant_id: str) -> str:
    return request.cookies.get(session_cookie(request, merchant_id), "")[:100]


def session_cookie(request: Request, merchant_id: str) -> str:
    """Give the name of the session's cookie, one a merchant; with https only this host can have set it."""
    return f"{_prefix(request)}s_{merchant_id}"


def signed_in(request: Request, merchant_id: str) -> str:
    """Give the session that the browser shows, or nothing."""
    return _cookie(request, merchant_id)


def visitor(request: Request) -> tuple[str, bool]:
    """Give what this browser has for the forms of pages that need no sign-in, and whether it is new."""
    known = request.cookies.get(f"{_prefix(request)}v", "")
    if 40 <= len(known) <= 50:
        return known, False
    return new_token(secrets.token_bytes(SECRET_BYTES)), True


def keep_visitor(request: Request, answer: HTMLResponse, value: str) -> HTMLResponse:
    """Have the browser keep it for as long as it runs."""
    answer.set_cookie(
        f"{_prefix(request)}v", value, path="/", secure=house(request).config.https, httponly=True, samesite="strict"
    )  # fmt: skip
    return answer


def keep_session(request: Request, answer: HTMLResponse, merchant_id: str, session: str) -> HTMLResponse:
    """Have the browser keep a session."""
    answer.set_cookie(
        session_cookie(request, merchant_id),
        session,
        max_age=int(SESSION_LIVES.total_seconds()),
        path="/",
        secure=house(request).config.https,
        httponly=True,
        samesite="lax",
    )
    return answer


def forget_session(request: Request, answer: HTMLResponse, merchant_id: str) -> HTMLResponse:
    """Have the browser forget a session."""
    secure = house(request).config.https
    answer.delete_cookie(
        session_cookie(request, merchant_id), path="/", secure=secure, httponly=True, samesite="lax"
    )
    return answer


def _prefix(request: Request) -> str:
    return "__Host-" if house(request).config.https else ""
