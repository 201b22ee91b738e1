"""A control request: its bearer token, its JSON, and answers that say what was wrong."""

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from practice_gateway.account import Account
from practice_gateway.errors import StripeError
from practice_gateway.gateway import Gateway

Answer = dict[str, Any]


class ControlError(Exception):
    """A control request that can't be done; the message says which field and why."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Control:
    """One control request."""

    gateway: Gateway
    body: Answer
    path: dict[str, str]
    query: dict[str, str]

    def account(self) -> Account:
        """Return the account named in the path, the query or the body.

        Raises:
            ControlError: 404.
        """
        name = self.path.get("account") or self.query.get("account") or self.body.get("account")
        found = self.gateway.accounts.get(str(name))
        if found is None:
            message = f"no account {name!r}; there are {sorted(self.gateway.accounts)}"
            raise ControlError(message, 404)
        return found

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return a string of the body."""
        value = self.body.get(name, default)
        if value is not None and not isinstance(value, str):
            message = f"{name} is a string, not {value!r}"
            raise ControlError(message)
        return value

    def required(self, name: str) -> str:
        """Return a string of the body that must be there."""
        value = self.text(name)
        if not value:
            message = f"{name} is missing"
            raise ControlError(message)
        return value

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """Return a number of the body within its bounds."""
        value = self.body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            message = f"{name} is a number from {least:g} to {most:g}, not {value!r}"
            raise ControlError(message)
        return value

    def only(self, *names: str) -> None:
        """Refuse members that mean nothing here."""
        unknown = set(self.body) - set(names) - {"account"}
        if unknown:
            message = f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}"
            raise ControlError(message)


ControlEndpoint = Callable[[Control], Awaitable[Answer]]
ControlRoute = tuple[str, str, ControlEndpoint]


def install(app: web.Application, gateway: Gateway, token: str, routes: list[ControlRoute]) -> None:
    """Put the control endpoints under the application."""
    for method, path, endpoint in routes:
        app.router.add_route(method, path, _handler(gateway, token, endpoint))


def _handler(
    gateway: Gateway, token: str, endpoint: ControlEndpoint
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(sent.encode(), token.encode()):
            return web.json_response({"error": "the control token is missing or wrong"}, status=401)
        try:
            body = _parse(await request.read())
            control = Control(gateway, body, dict(request.match_info), dict(request.query))
            return web.json_response(await endpoint(control))
        except ControlError as error:
            return web.json_response({"error": str(error)}, status=error.status)
        except StripeError as error:
            return web.json_response({"error": error.fields["message"]}, status=422)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=422)

    return handle


def _parse(data: bytes) -> Answer:
    if not data:
        return {}
    try:
        body = json.loads(data)
    except ValueError as error:
        message = f"the body is not JSON: {error}"
        raise ControlError(message, 400) from error
    if not isinstance(body, dict):
        raise ControlError("the body is a JSON object", 400)
    return body
