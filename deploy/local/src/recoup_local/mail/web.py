"""The page and the JSON API.

Mails are hostile text: every value is escaped, HTML is shown in a sandboxed frame without scripts or remote
content, and only requests that name this machine are answered (mails hold sign-in links).
"""

from aiohttp import web
from aiohttp.typedefs import Handler

from recoup_local.mail import page
from recoup_local.mail.box import Box, Mail

BOX = web.AppKey("box", Box)
LIMIT = 100  # mails of one answer unless asked for more
OWN_NAMES = {"127.0.0.1", "localhost", "[::1]"}
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:"
)


def application(box: Box) -> web.Application:
    """Give the page and the API over a box."""
    app = web.Application(middlewares=[only_this_machine])
    app[BOX] = box
    app.add_routes(
        [
            web.get("/", show_list),
            web.get(r"/messages/{id:\d+}", show_mail),
            web.get(r"/messages/{id:\d+}/html", show_html),
            web.get("/api/messages", list_messages),
            web.delete("/api/messages", clear),
            web.get(r"/api/messages/{id:\d+}", get_message),
            web.get(r"/api/messages/{id:\d+}/raw", get_raw),
        ]
    )
    return app


@web.middleware
async def only_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a page elsewhere whose name was pointed at loopback."""
    if request.host.rpartition(":")[0] not in OWN_NAMES and request.host not in OWN_NAMES:
        raise web.HTTPMisdirectedRequest(text="this page answers to 127.0.0.1 and localhost only")
    return await handler(request)


async def show_list(request: web.Request) -> web.Response:
    """List the mails, the newest first."""
    to = request.query.get("to", "")
    mails = list(request.app[BOX].find(to=to))
    return _page(page.listing(mails[::-1][:LIMIT], len(mails), to))


async def show_mail(request: web.Request) -> web.Response:
    """Show one mail: text, HTML, links, headers."""
    return _page(page.mail(_wanted(request)))


async def show_html(request: web.Request) -> web.Response:
    """Give the HTML of one mail for the frame; its links open in a new tab."""
    html = '<!doctype html><base target="_blank">' + _wanted(request).html
    return web.Response(
        text=html,
        content_type="text/html",
        headers={
            "Content-Security-Policy": MAIL_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        },
    )


async def list_messages(request: web.Request) -> web.Response:
    """`?to=` an address, `?subject=` holds, `?after=` an id, `?limit=`; whole mails, the oldest first."""
    query = request.query
    after, limit = _number(query.get("after"), 0), _number(query.get("limit"), LIMIT)
    mails = list(request.app[BOX].find(query.get("to", ""), query.get("subject", ""), after))
    return web.json_response({"count": len(mails), "messages": [mail.whole() for mail in mails[:limit]]})


async def get_message(request: web.Request) -> web.Response:
    """One mail."""
    return web.json_response(_wanted(request).whole())


async def get_raw(request: web.Request) -> web.Response:
    """One mail as it came."""
    return web.Response(
        body=_wanted(request).raw, content_type="text/plain", headers={"X-Content-Type-Options": "nosniff"}
    )


async def clear(request: web.Request) -> web.Response:
    """Forget all mails."""
    request.app[BOX].clear()
    return web.Response(status=204)


def _wanted(request: web.Request) -> Mail:
    mail = request.app[BOX].get(int(request.match_info["id"]))
    if mail is None:
        raise web.HTTPNotFound(text="no such mail (only the last ones are kept)")
    return mail


def _number(value: str | None, otherwise: int) -> int:
    if value is None:
        return otherwise
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise web.HTTPUnprocessableEntity(text=f"{value!r} is no whole number from 0")
    return int(value)


def _page(html: str) -> web.Response:
    return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})
