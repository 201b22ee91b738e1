"""Decides what a gateway said, and asks it for charges exactly once."""
