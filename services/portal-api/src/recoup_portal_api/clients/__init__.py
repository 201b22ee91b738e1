"""What portal-api asks other services where a person waits. One secret each; no secret is stored or logged here."""
