"""What every API request goes through: key, version, faults, idempotency, the endpoint, its answer."""

import asyncio
import hmac
import logging
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from aiohttp import web

from practice_gateway.account import Account
from practice_gateway.act import Act
from practice_gateway.api.call import Call, Endpoint, Route
from practice_gateway.errors import StripeError, api_error, bad_key, invalid_request, unknown_url
from practice_gateway.events import encode
from practice_gateway.faults import Fault
from practice_gateway.forms import decode
from practice_gateway.gateway import Gateway
from practice_gateway.idempotency import fingerprint
from practice_gateway.ids import new_id
from practice_gateway.params import Params
from practice_gateway.versions import Version, parse_version
from practice_gateway.wire import View, Wire, expand

log = logging.getLogger(__name__)

FAULT_WORDS = {
    401: ("invalid_request_error", None, "Invalid API Key provided: sk_test_********fault"),
    409: ("invalid_request_error", "idempotency_key_in_use", "Another request is in progress."),
    429: ("invalid_request_error", "rate_limit", "Request rate limit exceeded."),
    500: ("api_error", None, "An unknown error occurred"),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and whether its idempotency key keeps it."""

    status: int
    body: bytes
    executed: bool


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request with its body and what is known of its sender."""

    request: web.Request
    body: bytes
    request_id: str
    account: Account
    version: Version
    key: str | None


def install(app: web.Application, gateway: Gateway, routes: list[Route]) -> None:
    """Put the endpoints under the application, and a Stripe-like 404 under everything else."""
    for method, path, endpoint in routes:
        app.router.add_route(method, path, _handler(gateway, endpoint))
    app.router.add_route("*", "/v1/{tail:.*}", _handler(gateway, _unknown))


async def _unknown(call: Call) -> Wire:
    raise unknown_url(call.path["method"], call.path["url"])


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _handler(gateway: Gateway, endpoint: Endpoint) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        request_id = new_id("req", 14)
        try:
            inbound = await _read(gateway, request, request_id)
        except StripeError as error:
            return _respond(request_id, _refusal(error, request_id, 0), {})
        return await _serve(gateway, inbound, endpoint)

    return handle


async def _read(gateway: Gateway, request: web.Request, request_id: str) -> Inbound:
    account = _authenticate(gateway, request)
    name = request.headers.get("Stripe-Version")
    version = parse_version(name) if name else account.version
    key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
    return Inbound(request, await request.read(), request_id, account, version, key or None)


def _authenticate(gateway: Gateway, request: web.Request) -> Account:
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    key = credential.strip()
    if scheme.lower() == "basic":
        try:
            key = b64decode(key, validate=True).decode().partition(":")[0]
        except (Base64Error, UnicodeDecodeError):
            key = ""
    account = gateway.by_key.get(key)
    if account is None or not hmac.compare_digest(account.api_key.encode(), key.encode()):
        raise bad_key(key)
    return account


async def _serve(gateway: Gateway, inbound: Inbound, endpoint: Endpoint) -> web.StreamResponse:
    request = inbound.request
    faults = inbound.account.faults.on_request(request.method, request.path)
    for fault in faults:
        match fault.kind:
            case "delay":
                await asyncio.sleep(fault.seconds)
            case "lose_before":
                return _lose(request)
            case "error":
                return _respond(inbound.request_id, _faulty(fault, inbound, executed=False), {})
            case _:  # lose_after and error_after strike once the endpoint has run
                continue
    after = {fault.kind: fault for fault in faults if fault.kind in ("lose_after", "error_after")}
    headers = {"Stripe-Version": inbound.version.name}
    if inbound.key:
        headers["Idempotency-Key"] = inbound.key
    reply = await _once(gateway, inbound, endpoint, after.get("error_after"), headers)
    if "lose_after" in after:
        return _lose(request)
    return _respond(inbound.request_id, reply, headers)


async def _once(
    gateway: Gateway, inbound: Inbound, endpoint: Endpoint, spoil: Fault | None, headers: dict[str, str]
) -> Reply:
    """Run an endpoint, or play back what its idempotency key already got."""
    keys, key = inbound.account.idempotency, inbound.key
    if key is None:
        return await _execute(gateway, inbound, endpoint, spoil)
    print_of = fingerprint(inbound.request.method, inbound.request.path, inbound.body)
    try:
        entry = keys.begin(key, print_of, inbound.request_id)
    except StripeError as error:
        return _refusal(error, inbound.request_id, inbound.account.now())
    if entry is not None and entry.status is not None:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": entry.request_id}
        return Reply(entry.status, entry.body, executed=True)
    reply = Reply(500, b"", executed=False)
    try:
        reply = await _execute(gateway, inbound, endpoint, spoil)
    finally:
        if reply.executed:
            keys.finish(key, reply.status, reply.body)
        else:
            keys.release(key)
    return reply


async def _execute(gateway: Gateway, inbound: Inbound, endpoint: Endpoint, spoil: Fault | None) -> Reply:
    request, account = inbound.request, inbound.account
    view = View(account, inbound.version, gateway.origin)
    act = Act(gateway, account, "merchant", inbound.request_id, inbound.key)
    path = {**request.match_info, "method": request.method, "url": request.path}
    try:
        params = _params(inbound)
        paths = params.texts("expand") or []
        wire = await endpoint(Call(act, params, path, view))
    except StripeError as error:
        reply = _refusal(error, inbound.request_id, account.now())
    except Exception:
        log.exception("api.failed %s %s", request.method, request.path)
        reply = _refusal(api_error(), inbound.request_id, account.now())
    else:
        reply = _expanded(wire, paths, view, inbound)
    if spoil is not None and reply.executed:
        return _faulty(spoil, inbound, executed=True)
    return reply


def _params(inbound: Inbound) -> Params:
    try:
        pairs = parse_qsl(inbound.request.query_string, keep_blank_values=True)
        pairs += parse_qsl(inbound.body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise invalid_request("Invalid request: the body is not a form in UTF-8.") from None
    return Params(decode(pairs))


def _expanded(wire: Wire | bytes, paths: list[str], view: View, inbound: Inbound) -> Reply:
    if isinstance(wire, bytes):  # already written, with nothing to expand in it
        return Reply(200, wire, executed=True)
    try:
        expand(wire, paths, view)
    except StripeError as error:  # the endpoint has run, so its key keeps this answer too
        refusal = _refusal(error, inbound.request_id, inbound.account.now())
        return replace(refusal, executed=True)
    return Reply(200, encode(wire), executed=True)


def _refusal(error: StripeError, request_id: str, now: int) -> Reply:
    return Reply(error.status, encode(error.body(request_id, now)), executed=error.executed)


def _faulty(fault: Fault, inbound: Inbound, *, executed: bool) -> Reply:
    kind, code, message = FAULT_WORDS[fault.status]
    fields: Wire = {"type": kind, "message": message}
    if code:
        fields["code"] = code
    error = StripeError(fault.status, fields, executed=executed)
    return _refusal(error, inbound.request_id, inbound.account.now())


def _respond(request_id: str, reply: Reply, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=reply.status,
        body=reply.body,
        content_type="application/json",
        headers={"Request-Id": request_id, **headers},
    )


def _lose(request: web.Request) -> web.Response:
    """Cut the connection: the sender can't know what became of its request."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
