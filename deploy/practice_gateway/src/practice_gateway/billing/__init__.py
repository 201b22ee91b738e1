"""Money: tries to take it, invoices, subscriptions, the gateway's own retries, refunds and disputes."""
