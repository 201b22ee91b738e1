"""Whom to write to: customers as the gateways know them."""
