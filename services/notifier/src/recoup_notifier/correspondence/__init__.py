"""What was written, to whom, and what became of it."""
