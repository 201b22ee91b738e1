"""Decides when to try again, and when to stop."""
