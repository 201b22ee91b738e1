"""A case's page: what is owed, a new card, a card on file, the way back, the result.

The same pages stand behind a pay link and behind a sign-in; only the door differs.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, assert_never
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse

from recoup_portal_api.clients.internal import CounterpartDown
from recoup_portal_api.customer import domain, handlers
from recoup_portal_api.customer.domain import Gone, NotYet, Owes, Settled
from recoup_portal_api.customer.handlers import Begun
from recoup_portal_api.customer.routes.doors import (
    Door,
    Mark,
    Turned,
    by_link,
    by_session,
    house,
    ours,
    seldom,
)
from recoup_portal_api.customer.routes.render import Link

LOOK_AGAIN = 1
"""Seconds after which a page that waits looks again."""

Reference = Annotated[str, Form(min_length=1, max_length=255)]


def pages(prefix: str, door: Callable[..., Awaitable[Door]]) -> APIRouter:
    """Give the pages below a prefix, behind a door."""
    router = APIRouter(prefix=prefix)
    behind = Annotated[Door, Depends(door)]
    reference = Annotated[str, Query(min_length=1, max_length=255)]

    @router.api_route("", methods=["GET", "HEAD"])
    async def owed(request: Request, at: behind) -> HTMLResponse:
        return await show_owed(request, at)

    @router.post("/card")
    async def card(request: Request, at: behind, mark: Mark) -> HTMLResponse:
        return await new_card(request, at, mark)

    @router.post("/pay")
    async def pay(request: Request, at: behind, mark: Mark, instrument_id: Reference) -> HTMLResponse:
        return await stored_card(request, at, mark, instrument_id)

    @router.api_route("/return", methods=["GET", "HEAD"])
    async def back(request: Request, at: behind, session: reference) -> HTMLResponse:
        return welcome_back(request, at, session)

    @router.post("/return")
    async def complete(request: Request, at: behind, mark: Mark, session: Reference) -> HTMLResponse:
        return await come_back(request, at, mark, session)

    @router.api_route("/return/{action_id}", methods=["GET", "HEAD"])
    async def result(request: Request, at: behind, action_id: UUID) -> HTMLResponse:
        return await show_result(request, at, action_id)

    return router


async def show_owed(request: Request, door: Door) -> HTMLResponse:
    """Show what is owed, or that nothing is."""
    if isinstance(door.view.standing, NotYet):
        door = replace(door, view=await handlers.soon(house(request).db, door.view))
    match door.view.standing:
        case NotYet():
            return door.page.message("notyet", status=503, poll=LOOK_AGAIN)
        case Settled():
            return door.page.message("settled", status=410, mood="good")
        case Gone():
            return door.page.message("gone", status=410)
        case Owes() as owes:
            if not door.admitted:
                return _knock(request, door)
            cards = await handlers.stored_cards(house(request).adapter, door.view)
            return door.page.show(
                "owed.html", here=door.here, mark=door.mark(request), owes=owes, cards=cards
            )
        case never:
            assert_never(never)


def _knock(request: Request, door: Door) -> HTMLResponse:
    return door.page.show(
        "form.html",
        state="knock",
        heading=door.page.say("knock.heading"),
        text=door.page.say("knock.text"),
        button=door.page.say("signin.send"),
        action=f"{door.here}/sign-in",
        mark=door.mark(request),
        hidden={},
        ask_email=False,
        by_itself=False,
    )


def check(request: Request, door: Door, mark: str) -> None:
    """Let a form of this page pass.

    Raises:
        Turned: it isn't ours, comes too often, or a sign-in comes first.
    """
    ours(request, door.page, mark, (door.here, door.holder), door.here)
    if not door.admitted:
        raise Turned(_to(door.here))
    seldom(door.page, house(request).charges, str(door.view.case_id))


async def new_card(request: Request, door: Door, mark: str) -> HTMLResponse:
    """Lead to the gateway's page for a new card."""
    check(request, door, mark)
    here = house(request)
    page = here.config.portal_base_url + door.here
    begun = await handlers.enter_card(here.db, here.adapter, door.view, page)
    return _after(door, begun)


async def stored_card(request: Request, door: Door, mark: str, instrument_id: str) -> HTMLResponse:
    """Pay with a card on file and show the result."""
    check(request, door, mark)
    here = house(request)
    return _after(door, await handlers.pay(here.db, here.adapter, door.view, instrument_id))


def welcome_back(request: Request, door: Door, session: str) -> HTMLResponse:
    """Receive whoever comes back from the gateway's page: a form that sends itself, for a GET has no effect."""
    say = door.page.say
    return door.page.show(
        "form.html",
        state="return",
        heading=say("return.heading"),
        text=say("return.text"),
        button=say("return.button"),
        action=f"{door.here}/return",
        mark=door.mark(request),
        hidden={"session": session},
        ask_email=False,
        by_itself=True,
    )


async def come_back(request: Request, door: Door, mark: str, session: str) -> HTMLResponse:
    """Charge the new card at once and show the result."""
    ours(request, door.page, mark, (door.here, door.holder), door.here)
    here = house(request)
    return _after(door, await handlers.come_back(here.db, here.adapter, door.view, session))


def _after(
    door: Door, begun: Begun | handlers.NothingToPay | handlers.NotPossible | handlers.NoSuchThing
) -> HTMLResponse:
    match begun:
        case Begun(action_id, url):
            return _to(url or f"{door.here}/return/{action_id}")
        case handlers.NothingToPay():
            return _to(door.here)
        case handlers.NotPossible():
            return door.page.message("refused", status=409, mood="bad", link=(door.here, "again"))
        case handlers.NoSuchThing():
            return door.page.message("nopage", status=404, link=(door.here, "again"))
        case never:
            assert_never(never)


async def show_result(request: Request, door: Door, action_id: UUID) -> HTMLResponse:
    """Say what became of it; the page of a payment outlives its case."""
    here = house(request)
    try:
        found = await handlers.results(here.db, here.adapter, door.view, action_id)
    except CounterpartDown:
        return door.page.message("working", poll=LOOK_AGAIN)
    match found:
        case handlers.NoSuchThing():
            return door.page.message("nopage", status=404, link=(door.here, "again"))
        case handlers.NoCardYet():
            return door.page.message("nocard", link=(door.here, "nocard.again"))
        case handlers.CardSaved():
            return door.page.message("saved", mood="good")
        case list():
            return _verdict(door, found)
        case never:
            assert_never(never)


def _verdict(door: Door, outcomes: list[domain.Outcome]) -> HTMLResponse:
    page = door.page
    match domain.verdict(outcomes, door.view.standing):
        case domain.Passed():
            answer = page.message("passed", mood="good")
        case domain.Submitted():
            answer = page.message("submitted", mood="good")
        case domain.Working():
            answer = page.message("working", poll=LOOK_AGAIN)
        case domain.Partly():
            answer = page.message("partly", link=(door.here, "again"))
        case domain.Settled():
            answer = page.message("settled", mood="good")
        case domain.NotCharged():
            answer = page.message("notcharged", poll=LOOK_AGAIN, link=(door.here, "again"))
        case domain.Authenticate(url):
            answer = _message(
                door, "authenticate", page.say("authenticate.text"), poll=LOOK_AGAIN, mood="calm", notes=(),
                link=Link(url, page.say("authenticate.link"), away=True),
            )  # fmt: skip
        case domain.Declined(reason):
            some = any(domain.goes_on(outcome) for outcome in outcomes)
            note = page.say("declined.some" if some else "declined.nothing")
            answer = _message(
                door, "declined", page.say(f"reason.{reason}"), poll=0, mood="bad", notes=(note,),
                link=Link(door.here, page.say("declined.again")),
            )  # fmt: skip
        case never:
            assert_never(never)
    return answer


def _message(door: Door, key: str, text: str, *, link: Link, **values: Any) -> HTMLResponse:
    heading = door.page.say(f"{key}.heading")
    return door.page.show("message.html", heading=heading, text=text, state=key, links=(link,), **values)


def _to(url: str) -> HTMLResponse:
    return HTMLResponse(status_code=303, headers={"Location": url})


by_pay_link = pages("/pay/{token}", by_link)
by_sign_in = pages("/m/{merchant_id}/cases/{case_id}", by_session)
