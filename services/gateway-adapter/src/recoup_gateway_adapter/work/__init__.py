"""Asks gateways for what is due: fairly over accounts, each no faster than it bears, and not while it is down."""
