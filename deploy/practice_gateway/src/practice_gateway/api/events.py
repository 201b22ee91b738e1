"""/v1/events: newest first, with cursors both ways, for 30 days; bodies go out as they were written once."""

from collections.abc import Iterator
from itertools import islice, takewhile

from practice_gateway.api.call import Call, Created, Route, created_filter, cursor
from practice_gateway.errors import no_such
from practice_gateway.events import Event

MAX_TYPES = 20  # docs.stripe.com/api/events/list


async def list_all(call: Call) -> bytes:
    """GET /v1/events by type, types[], created and the cursors."""
    params, log = call.params, call.account.events
    at, within = cursor(params), created_filter(params)
    types = set(params.texts("types") or [])
    single = params.text("type")
    if single is not None:
        types.add(single)
    params.accept("delivery_success")
    params.done()
    for identifier, name in ((at.after, "starting_after"), (at.before, "ending_before")):
        if identifier is not None and log.get(identifier) is None:
            raise no_such("event", identifier, name)
    if at.before:
        source = log.oldest_first(at.before)
    else:  # created never falls, so what is older than asked for ends the search
        source = takewhile(lambda event: event.created >= within.least, log.newest_first(at.after))
    found = list(islice(_matching(source, types, within), at.limit + 1))
    page = found[: at.limit]
    if at.before:
        page.reverse()
    more = b"true" if len(found) > at.limit else b"false"
    data = b",".join(event.body for event in page)
    return b'{"object":"list","data":[' + data + b'],"has_more":' + more + b',"url":"/v1/events"}'


def _matching(source: Iterator[Event], types: set[str], within: Created) -> Iterator[Event]:
    return (
        event
        for event in source
        if within(event.created) and (not types or any(_is(event.type, wanted) for wanted in types))
    )


def _is(event_type: str, wanted: str) -> bool:
    return event_type == wanted or (wanted.endswith(".*") and event_type.startswith(wanted[:-1]))


async def retrieve(call: Call) -> bytes:
    """GET /v1/events/{id}."""
    event = call.account.events.get(call.path["id"])
    if event is None:
        raise no_such("event", call.path["id"])
    return event.body


ROUTES: list[Route] = [("GET", "/v1/events", list_all), ("GET", "/v1/events/{id}", retrieve)]
