"""What becomes of a subscription whose recovery failed: read again, done, confirmed, told."""
