"""Errors as Stripe words them: one body, with its status, for every way a request can be refused."""

from typing import Any

Wire = dict[str, Any]


class StripeError(Exception):
    """A request that Stripe would refuse.

    Attributes:
        status: HTTP status.
        fields: members of the `error` object.
        executed: whether the endpoint had begun, so that an idempotency key keeps this answer.
    """

    def __init__(self, status: int, fields: Wire, *, executed: bool = True) -> None:
        super().__init__(fields.get("message"))
        self.status = status
        self.fields = fields
        self.executed = executed

    def body(self, request_id: str, now: int) -> Wire:
        """Return the JSON of the answer."""
        fields = dict(self.fields)
        code = fields.get("code")
        if code:
            fields["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        fields["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}?t={now}"
        return {"error": dict(sorted(fields.items()))}


def invalid_request(
    message: str, *, code: str | None = None, param: str | None = None, executed: bool = False
) -> StripeError:
    """Return a 400 about parameters; not kept under an idempotency key unless the endpoint had begun."""
    fields: Wire = {"type": "invalid_request_error", "message": message}
    if code:
        fields["code"] = code
    if param:
        fields["param"] = param
    return StripeError(400, fields, executed=executed)


def missing(param: str) -> StripeError:
    """Return the 400 of a parameter that must be there."""
    return invalid_request(f"Missing required param: {param}.", code="parameter_missing", param=param)


def refused(message: str, *, code: str | None = None) -> StripeError:
    """Return a 400 about the state of an object, found while the endpoint ran."""
    return invalid_request(message, code=code, executed=True)


def no_such(kind: str, identifier: str, param: str = "id") -> StripeError:
    """Return the answer for an object that does not exist; 404 in the path, 400 in a parameter."""
    fields = {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "message": f"No such {kind}: '{identifier}'",
        "param": param,
    }
    return StripeError(404 if param == "id" else 400, fields)


def unknown_url(method: str, url: str) -> StripeError:
    """Return the 404 of an address that this version has nothing at."""
    message = f"Unrecognized request URL ({method}: {url})."
    return StripeError(404, {"type": "invalid_request_error", "message": message})


def bad_key(key: str) -> StripeError:
    """Return the 401 of an unknown or missing API key."""
    if not key:
        message = (
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    else:
        message = f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:]}"
    return StripeError(401, {"type": "invalid_request_error", "message": message}, executed=False)


def key_in_use(key: str) -> StripeError:
    """Return the 409 of an idempotency key whose first request is still running."""
    fields = {
        "type": "invalid_request_error",
        "code": "idempotency_key_in_use",
        "message": "There is currently another in-progress request using this Stripe Idempotency Key "
        f"(that probably means you submitted twice, and the other request is still going through): {key}.",
    }
    return StripeError(409, fields, executed=False)


def key_reused(key: str) -> StripeError:
    """Return the 400 of an idempotency key that comes back with another request."""
    fields = {
        "type": "idempotency_error",
        "message": "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different request.",
    }
    return StripeError(400, fields, executed=False)


def api_error() -> StripeError:
    """Return the 500 of a gateway that broke while it ran."""
    return StripeError(500, {"type": "api_error", "message": "An unknown error occurred"})
