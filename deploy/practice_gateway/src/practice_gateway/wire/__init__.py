"""Objects as Stripe writes them, in the shapes of an API version."""

from practice_gateway.wire.render import expand, render
from practice_gateway.wire.view import View, Wire, list_of

__all__ = ["View", "Wire", "expand", "list_of", "render"]
