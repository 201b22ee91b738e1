"""The composition root: the only module that knows all the others."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as RoutingError

from recoup_chassis import service
from recoup_chassis.config import read
from recoup_chassis.errors import is_retryable
from recoup_chassis.http import HttpServer, caller_of, callers_from
from recoup_chassis.postgres import Database
from recoup_chassis.process import Loop
from recoup_chassis.telemetry import log
from recoup_notifier.channels.smtp import Server, Smtp
from recoup_notifier.compose import routes as compose
from recoup_notifier.compose.links import Links, SigningKey
from recoup_notifier.config import Config
from recoup_notifier.correspondence import routes as correspondence
from recoup_notifier.correspondence.loop import Sender
from recoup_notifier.subscriptions import SUBSCRIPTIONS

SERVICE = "notifier"


async def serve() -> None:
    """Run the service until SIGTERM."""
    config = read(Config)
    database = await service.connect(SERVICE, config, connections=16)
    links = links_of(config)
    async with Smtp(Server.read(config.smtp_url)) as smtp:
        sender = Sender(database, smtp, links, mail_from=config.mail_from, replica=config.replica)
        sending = Loop("mail-sender", sender.once, every=timedelta(seconds=0.5))
        watching = Loop("mail-watch", sender.watch, every=timedelta(seconds=5))
        app = internal(config, database, links, sending)
        server = HttpServer(app, config.bind_address, config.internal_port, "internal")
        await service.serve(
            SERVICE, config, database, subscriptions=SUBSCRIPTIONS, parts=[sending, watching, server]
        )


def links_of(config: Config) -> Links:
    """Give what makes links."""
    return Links(config.portal_base_url, SigningKey.read(config.pay_link_signing_key))


def internal(config: Config, database: Database, links: Links, sending: Loop) -> FastAPI:
    """Give the internal API: sign-in mails and previews, for callers with a secret of their own."""
    callers = callers_from(config.internal_callers)

    async def known_caller(authorization: Annotated[str | None, Header()] = None) -> None:
        if caller_of(authorization, callers) is None:
            raise HTTPException(401, "a known caller's secret is needed: Authorization: Bearer …")

    app = FastAPI(title="Recoup notifier, internal", openapi_url=None, dependencies=[Depends(known_caller)])
    app.state.database, app.state.links, app.state.sending = database, links, sending
    app.state.portal_base_url = config.portal_base_url
    app.include_router(correspondence.router)
    app.include_router(compose.router)
    app.add_exception_handler(RoutingError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    return app


_CODES = {401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 422: "invalid"}


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RoutingError)
    return _error(error.status_code, _CODES.get(error.status_code, "refused"), str(error.detail))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return _error(422, "invalid", f"{where}: {first['msg']}")


async def _failed(_: Request, error: Exception) -> JSONResponse:
    if is_retryable(error):
        return _error(503, "unavailable", "try again")
    log.error("request.failed", exc_info=error)
    return _error(500, "failed", "it is logged")


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
