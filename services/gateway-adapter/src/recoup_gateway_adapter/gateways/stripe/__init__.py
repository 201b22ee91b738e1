"""Stripe, in every version of its API since 2013."""
