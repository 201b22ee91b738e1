"""Decides what to say, to whom, by which channel, and when to keep silent."""
