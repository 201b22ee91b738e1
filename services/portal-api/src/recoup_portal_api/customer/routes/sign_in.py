"""The way in by mail: an address is asked for, a link is mailed, a button signs in, a page lists what is owed.

Promise: nobody learns whether an address is known, neither by the answer nor by the time it takes; a link that a
mail scanner opens stays good, for only the button's POST uses it up.
"""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse

from recoup_chassis.telemetry import log
from recoup_portal_api.access import domain as access_domain, handlers as access, store
from recoup_portal_api.clients.internal import CounterpartDown
from recoup_portal_api.customer import handlers
from recoup_portal_api.customer.handlers import Face
from recoup_portal_api.customer.routes import doors
from recoup_portal_api.customer.routes.doors import Door, House, Mark, Turned, by_link, house, plain
from recoup_portal_api.customer.routes.render import Page
from recoup_portal_api.read_models import store as models

router = APIRouter(prefix="/m/{merchant_id}")
at_link = APIRouter()

MerchantId = Annotated[str, Path(pattern=r"^[a-zA-Z0-9_-]{3,64}$")]
Token = Annotated[str, Path(pattern=r"^[a-zA-Z0-9_-]{20,60}$")]
MINUTES = int(access_domain.SIGN_IN_LINK_LIVES.total_seconds() // 60)


async def known(request: Request, merchant_id: MerchantId) -> Face:
    """Give the merchant whose pages these are.

    Raises:
        Turned: there is no such merchant.
    """
    async with house(request).db.transaction([merchant_id]) as tx:
        face = await handlers.face(tx, merchant_id)
    if face is None:
        raise Turned(plain(request).message("nopage", status=404))
    return face


Merchant = Annotated[Face, Depends(known)]


@router.api_route("", methods=["GET", "HEAD"])
async def home(request: Request, face: Merchant) -> HTMLResponse:
    """List what is owed to whoever is signed in; to others, show the way in."""
    session = doors.signed_in(request, face.merchant_id)
    page, here = plain(request, face), f"/m/{face.merchant_id}"
    if session:
        async with house(request).db.transaction([face.merchant_id]) as tx:
            contact = await store.contact_of_session(tx, face.merchant_id, session)
            views = None if contact is None else await handlers.statement(tx, face, contact)
        if views is not None:
            mark = house(request).marks.form(here, session)
            page = doors.page_for(request, face, views[0]) if views else page
            return page.show("list.html", here=here, mark=mark, views=views)
    return _form(request, page, "signin", f"{here}/sign-in", ask_email=True)


def _form(request: Request, page: Page, key: str, action: str, *, ask_email: bool) -> HTMLResponse:
    value, new = doors.visitor(request)
    button = "signin.send" if ask_email else f"{key}.button"
    answer = page.show(
        "form.html",
        state=key,
        heading=page.say(f"{key}.heading"),
        text=page.say(f"{key}.text"),
        button=page.say(button),
        action=action,
        mark=house(request).marks.form(action, value),
        hidden={},
        ask_email=ask_email,
        by_itself=False,
    )
    return doors.keep_visitor(request, answer, value) if new else answer


@router.post("/sign-in")
async def ask(
    request: Request,
    face: Merchant,
    tasks: BackgroundTasks,
    mark: Mark,
    email: Annotated[str, Form(max_length=254)],
) -> HTMLResponse:
    """Say that a link is on its way if the address is known; find out only afterwards."""
    page, here = plain(request, face), f"/m/{face.merchant_id}"
    doors.ours(request, page, mark, (f"{here}/sign-in", doors.visitor(request)[0]), here)
    doors.seldom(page, house(request).mails, doors.whence(request))
    contact = house(request).marks.contact(face.merchant_id, email)
    tasks.add_task(mail_link, house(request), face.merchant_id, contact)
    return page.message("sent", status=202, minutes=MINUTES)


@at_link.post("/pay/{token}/sign-in")
async def ask_at_link(
    request: Request, door: Annotated[Door, Depends(by_link)], tasks: BackgroundTasks, mark: Mark
) -> HTMLResponse:
    """Mail a link to the customer of this case, whom the merchant wants signed in."""
    doors.ours(request, door.page, mark, (door.here, door.holder), door.here)
    doors.seldom(door.page, house(request).mails, doors.whence(request))
    tasks.add_task(mail_link_to_owner, house(request), door)
    return door.page.message("sent", status=202, minutes=MINUTES)


async def mail_link_to_owner(here: House, door: Door) -> None:
    """Mail a sign-in link to the address of a case's customer."""
    owner = door.view.customer
    if owner is None:
        return
    merchant_id = door.view.face.merchant_id
    async with here.db.transaction([merchant_id]) as tx:
        contact = await models.contact_of_customer(tx, merchant_id, owner.account_id, owner.customer_id)
    if contact is not None:
        await mail_link(here, merchant_id, contact)


async def mail_link(here: House, merchant_id: str, contact: bytes) -> None:
    """Mail a sign-in link to an address, if a customer has it and it has not had its share of mails."""
    async with here.db.transaction([merchant_id]) as tx:
        customers = await models.customers_of_contact(tx, merchant_id, contact)
    if not customers:
        return
    token = await access.invite(here.db, merchant_id, contact)
    if token is None:
        log.info("sign_in.mailed_enough", merchant_id=merchant_id)
        return
    url = f"{here.config.portal_base_url}/m/{merchant_id}/sign-in/{token}"
    try:
        await here.notifier.send_sign_in(
            merchant_id, customer_id=customers[0].customer_id, url=url, expires_in_minutes=MINUTES
        )
    except CounterpartDown as down:
        log.warning("sign_in.not_mailed", merchant_id=merchant_id, what=down.what)


@router.api_route("/sign-in/{token}", methods=["GET", "HEAD"])
async def confirm(request: Request, face: Merchant, token: Token) -> HTMLResponse:
    """Show the button; look whether the link is good, and leave it so."""
    page, here = plain(request, face), f"/m/{face.merchant_id}"
    async with house(request).db.transaction([face.merchant_id]) as tx:
        good = await store.sign_in_token_is_good(tx, face.merchant_id, token)
    if not good:
        return page.message("stale", status=410, link=(here, "stale.again"), minutes=MINUTES)
    return _form(request, page, "confirm", f"{here}/sign-in/{token}", ask_email=False)


@router.post("/sign-in/{token}")
async def sign_in(request: Request, face: Merchant, token: Token, mark: Mark) -> HTMLResponse:
    """Use the link up and begin a session."""
    page, here = plain(request, face), f"/m/{face.merchant_id}"
    path = f"{here}/sign-in/{token}"
    doors.ours(request, page, mark, (path, doors.visitor(request)[0]), path)
    async with house(request).db.transaction([face.merchant_id]) as tx:
        session = await access.sign_in(tx, face.merchant_id, token)
    if session is None:
        return page.message("stale", status=410, link=(here, "stale.again"), minutes=MINUTES)
    answer = HTMLResponse(status_code=303, headers={"Location": here})
    return doors.keep_session(request, answer, face.merchant_id, session)


@router.post("/sign-out")
async def sign_out(request: Request, face: Merchant, mark: Mark) -> HTMLResponse:
    """End the session."""
    page, here = plain(request, face), f"/m/{face.merchant_id}"
    session = doors.signed_in(request, face.merchant_id)
    doors.ours(request, page, mark, (here, session), here)
    async with house(request).db.transaction([face.merchant_id]) as tx:
        await store.end_session(tx, face.merchant_id, session)
    answer = HTMLResponse(status_code=303, headers={"Location": here})
    return doors.forget_session(request, answer, face.merchant_id)
