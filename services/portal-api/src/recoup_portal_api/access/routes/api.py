"""How a merchant's program shows who it is, and the one form in which the API says no."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from recoup_chassis.errors import is_retryable
from recoup_chassis.postgres import Database
from recoup_chassis.telemetry import log
from recoup_portal_api.access import domain, store
from recoup_portal_api.access.domain import Buckets, Principal
from recoup_portal_api.clients.internal import CounterpartDown
from recoup_portal_api.policy.domain import Refused

RETRY_AFTER = {"Retry-After": "5"}


class Problem(BaseModel):
    """One field that is wrong: its name with dots, the sentence, and the bounds it must keep."""

    field: str
    message: str
    bounds: dict[str, Any] = Field(default_factory=dict)


class ErrorBody(BaseModel):
    """Why not: a word for programs, a sentence for people."""

    code: str
    message: str
    fields: list[Problem] = Field(default_factory=list)


class Error(BaseModel):
    """Every answer of 400 and above."""

    error: ErrorBody


class ApiError(Exception):
    """An answer that says no."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        fields = [Problem(field=field, message=message)] if field else []
        self.body = Error(error=ErrorBody(code=code, message=message, fields=fields))


def refused(refusal: Refused) -> ApiError:
    """Say no because a rule forbids it: 422 where it names a field, else 409."""
    return ApiError(422 if refusal.field else 409, refusal.code, refusal.message, field=refusal.field)


def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Write any exception in the API's one form; what nobody foresaw is logged and says nothing."""
    match error:
        case ApiError():
            return _json(error.status, error.body, error.headers)
        case RequestValidationError():
            return _invalid(error.errors())
        case HTTPException():
            return _plain(error.status_code, "http", str(error.detail), dict(error.headers or {}))
        case CounterpartDown():
            log.warning("counterpart.down", name=error.name, what=error.what)
            return _plain(503, "counterpart_down", f"{error.name} can't be reached; try again", RETRY_AFTER)
        case _ if is_retryable(error):
            log.warning("request.unavailable", path=request.url.path, error=type(error).__name__)
            return _plain(503, "unavailable", "try again in a moment", RETRY_AFTER)
        case _:
            log.error("request.failed", path=request.url.path, exc_info=error)
            return _plain(500, "internal", "something went wrong on our side")


def _plain(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return _json(status, Error(error=ErrorBody(code=code, message=message)), headers)


def _json(status: int, body: Error, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(body.model_dump(mode="json"), status, headers)


def _invalid(errors: Sequence[Any]) -> JSONResponse:
    if any(error["type"] == "json_invalid" for error in errors):
        return _plain(400, "json", "the body is no JSON")
    fields = [_problem(error) for error in errors[:20]]
    message = "; ".join(f"{problem.field}: {problem.message}" for problem in fields[:3])
    return _json(422, Error(error=ErrorBody(code="invalid", message=message, fields=fields)))


def _problem(error: Any) -> Problem:
    """Name the field and the bounds; what was given is never repeated, for it may be a secret."""
    where = ".".join(str(part) for part in error["loc"] if part not in {"body", "query", "path"})
    message = str(error["msg"]).removeprefix("Value error, ")
    name, colon, rest = message.partition(": ")
    if not where and colon and name.isidentifier():
        where, message = name, rest
    bounds = {
        name: value
        for name, value in (error.get("ctx") or {}).items()
        if isinstance(value, int | float | str) and name != "error"
    }
    return Problem(field=where or "body", message=message, bounds=bounds)


def database(request: Request) -> Database:
    """Give the database, as the role that sees one merchant a request."""
    found: Database = request.app.state.db
    return found


Db = Annotated[Database, Depends(database)]

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="`rk_…`, of one merchant")


async def principal(
    request: Request, db: Db, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """Tell whose program asks.

    Raises:
        ApiError: 401 without a good key; 429 for whoever shows bad ones, or asks, too often.
    """
    failures: Buckets = request.app.state.failures
    requests: Buckets = request.app.state.requests
    where = request.client.host if request.client else "unknown"
    slow_down(failures.wait(where))
    key = domain.bearer(request.headers.get("authorization"))
    found = None
    if key is not None:
        async with db.transaction(()) as tx:
            found = await store.find_api_key(tx, key)
    if found is None:
        failures.take(where)
        raise ApiError(
            401, "unauthorized", "show a valid API key: Authorization: Bearer rk_…",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    slow_down(requests.take(str(found.key_id)))
    return found


def slow_down(seconds: float) -> None:
    """Refuse for so long; nothing when it is 0.

    Raises:
        ApiError: 429.
    """
    if seconds > 0:
        whole = str(int(seconds) + 1)
        raise ApiError(429, "too_many_requests", f"try again in {whole} s", headers={"Retry-After": whole})


Who = Annotated[Principal, Depends(principal)]
