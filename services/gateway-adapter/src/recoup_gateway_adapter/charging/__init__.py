"""Charges exactly once: an attempt is a row before it is a request, and a state machine decides what follows."""
