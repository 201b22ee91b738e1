"""Stripe's HTTP API, version 1."""
