"""The doors: what every request passes, how a merchant's program shows who it is, and its keys."""
