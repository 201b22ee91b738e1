"""The internal HTTP of this service: who may call, and one shape of refusal."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from recoup_chassis.errors import is_retryable
from recoup_chassis.http import caller_of


class ProblemWords(BaseModel):
    """A code for programs and a sentence for people."""

    code: str
    message: str


class Problem(BaseModel):
    """What every refusal looks like."""

    error: ProblemWords


class Refusal(Exception):
    """Answer with this status, code and sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def internal_app(callers: Mapping[str, bytes], routers: Sequence[APIRouter]) -> FastAPI:
    """Give the internal application: every route needs a caller's secret.

    Args:
        callers: secrets by name, see `recoup_chassis.http.callers_from`.
    """

    def known_caller(request: Request) -> None:
        if caller_of(request.headers.get("authorization"), callers) is None:
            raise Refusal(401, "unauthorized", "Authorization: Bearer <the caller's secret> is needed")

    app = FastAPI(title="Recoup gateway-adapter, internal", docs_url=None, redoc_url=None, openapi_url=None)
    for router in routers:
        app.include_router(router, dependencies=[Depends(known_caller)])

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> JSONResponse:
        return _problem(refusal.status, refusal.code, refusal.message)

    @app.exception_handler(RequestValidationError)
    async def refuse_body(_: Request, wrong: RequestValidationError) -> JSONResponse:
        first = wrong.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return _problem(422, "invalid", f"{where}: {first['msg']}" if where else str(first["msg"]))

    @app.exception_handler(Exception)
    async def fail(_: Request, error: Exception) -> JSONResponse:
        if is_retryable(error):
            return _problem(
                503, "unavailable", "the database can't be reached; try again", {"Retry-After": "1"}
            )
        raise error

    return app


def _problem(status: int, code: str, message: str, headers: dict[str, Any] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message[:500]}}, status, headers)
