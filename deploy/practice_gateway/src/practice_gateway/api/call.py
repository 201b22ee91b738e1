"""One API request on its way through an endpoint, and what endpoints share."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from practice_gateway.account import Account
from practice_gateway.act import Act
from practice_gateway.cards.declines import Decline
from practice_gateway.collection import Collection, Identified
from practice_gateway.errors import StripeError, missing, no_such
from practice_gateway.model import Customer
from practice_gateway.params import Params
from practice_gateway.wire import View, Wire, render
from practice_gateway.wire.customers import error

MAX_PAGE = 100
DEFAULT_PAGE = 10
T = TypeVar("T", bound=Identified)


@dataclass(frozen=True, slots=True)
class Call:
    """A request: who asks, for what, in which version."""

    act: Act
    params: Params
    path: dict[str, str]
    view: View

    @property
    def account(self) -> Account:
        """Return the account of the API key."""
        return self.act.account

    def show(self, item: Any) -> Wire:
        """Write an object out in the request's version."""
        return render(item, self.view)

    def one(self, kind: str, collection: Collection[T], identifier: str | None = None) -> T:
        """Return the object that the path names.

        Raises:
            StripeError: 404.
        """
        wanted = identifier or self.path["id"]
        found = collection.get(wanted)
        if found is None:
            raise no_such(kind, wanted)
        return found

    def named(self, kind: str, collection: Collection[T], param: str) -> T | None:
        """Return the object that a parameter names, None without the parameter.

        Raises:
            StripeError: 400.
        """
        wanted = self.params.text(param)
        if wanted is None:
            return None
        found = collection.get(wanted)
        if found is None:
            raise no_such(kind, wanted, param)
        return found

    def customer(self, param: str = "customer") -> Customer | None:
        """Return the customer that a parameter names, who must not be deleted."""
        found = self.named("customer", self.account.customers, param)
        if found is not None and found.deleted:
            raise no_such("customer", found.id, param)
        return found

    def required_customer(self) -> Customer:
        """Return the customer that `customer` names, which must be there."""
        found = self.customer()
        if found is None:
            raise missing("customer")
        return found


Endpoint = Callable[[Call], Awaitable[Wire | bytes]]
Route = tuple[str, str, Endpoint]


@dataclass(frozen=True, slots=True)
class Created:
    """When something was made, both ends included; whole Unix seconds."""

    least: int = 0
    most: int = sys.maxsize

    def __call__(self, at: int) -> bool:
        """Tell whether an instant lies within."""
        return self.least <= at <= self.most


def created_filter(params: Params) -> Created:
    """Read created, created[gt], [gte], [lt] and [lte]."""
    if isinstance(params.raw("created"), str):
        exact = params.integer("created")
        return Created() if exact is None else Created(exact, exact)
    bounds = params.nested("created")
    above, least = bounds.integer("gt"), bounds.integer("gte")
    below, most = bounds.integer("lt"), bounds.integer("lte")
    return Created(
        least=max(0 if least is None else least, 0 if above is None else above + 1),
        most=min(sys.maxsize if most is None else most, sys.maxsize if below is None else below - 1),
    )


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins, and how long it is."""

    limit: int
    after: str | None
    before: str | None


def cursor(params: Params) -> Cursor:
    """Read limit, starting_after and ending_before."""
    limit = params.integer("limit", least=1, most=MAX_PAGE) or DEFAULT_PAGE
    return Cursor(limit, params.text("starting_after"), params.text("ending_before"))


def page_of(newest_first: Iterable[T], at: Cursor) -> tuple[list[T], bool]:
    """Cut a page out of a list; tells whether there is more in the same direction."""
    items: Iterator[T]
    if at.before is not None:
        newer = _until(newest_first, at.before)
        return newer[-at.limit :], len(newer) > at.limit
    items = iter(newest_first)
    if at.after is not None:
        _skip_to(items, at.after)
    found = list(islice(items, at.limit + 1))
    return found[: at.limit], len(found) > at.limit


def _skip_to(items: Iterator[T], identifier: str) -> None:
    for item in items:
        if item.id == identifier:
            return
    raise no_such("object", identifier, "starting_after")


def _until(items: Iterable[T], identifier: str) -> list[T]:
    newer: list[T] = []
    for item in items:
        if item.id == identifier:
            return newer
        newer.append(item)
    raise no_such("object", identifier, "ending_before")


def listing(call: Call, url: str, newest_first: Iterable[Any], at: Cursor) -> Wire:
    """Answer with a page; every parameter must have been read before."""
    call.params.done()
    items, more = page_of(newest_first, at)
    return {"object": "list", "data": [call.show(item) for item in items], "has_more": more, "url": url}


def card_error(call: Call, decline: Decline, method_id: str | None, **objects: Any) -> StripeError:
    """Return the 402 of a declined card; objects: what it happened to, by the error's member names."""
    fields = error(decline, call.view, method_id)
    fields["type"] = "card_error"
    fields |= {name: value for name, value in objects.items() if value is not None}
    return StripeError(402, fields)
