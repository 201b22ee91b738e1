"""Decline codes of every gateway, network and bank scheme, classified, each with its source."""

from recoup_declines.model import Decline, DeclineClass, DefaultAction, Row
from recoup_declines.precedence import forbids_retry, lookup
from recoup_declines.table import all_declines

__all__ = ["Decline", "DeclineClass", "DefaultAction", "Row", "all_declines", "forbids_retry", "lookup"]
