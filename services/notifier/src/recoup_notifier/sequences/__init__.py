"""What to say about a case, and when to keep silent."""
