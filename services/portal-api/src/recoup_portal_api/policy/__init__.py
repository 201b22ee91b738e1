"""The merchant's settings and clock: portal-api is their source of truth."""
