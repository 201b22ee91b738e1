"""A mail sink: takes every mail by SMTP, delivers none, and shows them on a page and as JSON."""
