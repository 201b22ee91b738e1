"""What a page says when it can't be shown, in the reader's language."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from recoup_chassis.errors import is_retryable
from recoup_chassis.telemetry import log
from recoup_portal_api.clients.internal import CounterpartDown
from recoup_portal_api.customer.routes.doors import Turned, plain

TRY_AGAIN = {"Retry-After": "10"}


def answer_error(request: Request, error: Exception) -> HTMLResponse:
    """Write any exception as a page; what nobody foresaw is logged and says nothing."""
    page = plain(request)
    match error:
        case Turned(answer=answer):
            return answer
        case RequestValidationError():
            return page.message("nopage", status=404)
        case HTTPException(status_code=status):
            return page.message(
                "nopage" if status in {404, 405} else "form", status=status, link=_back(request)
            )
        case CounterpartDown(name=name, what=what):
            log.warning("counterpart.down", name=name, what=what)
            return _unavailable(request)
        case _ if is_retryable(error):
            log.warning("page.unavailable", error=type(error).__name__)
            return _unavailable(request)
        case _:
            log.error("page.failed", exc_info=error)
            return page.message("oops", status=500, mood="bad")


def _unavailable(request: Request) -> HTMLResponse:
    answer = plain(request).message("down", status=503, mood="bad", link=_back(request))
    answer.headers.update(TRY_AGAIN)
    return answer


def _back(request: Request) -> tuple[str, str] | None:
    """Where whoever sent a form came from: its page lies above it."""
    parts = request.url.path.split("/")
    if parts[1:2] == ["pay"] and len(parts) > 3:
        return "/".join(parts[:3]), "again"
    if parts[1:2] == ["m"] and parts[3:4] == ["cases"] and len(parts) > 5:
        return "/".join(parts[:5]), "again"
    return None
