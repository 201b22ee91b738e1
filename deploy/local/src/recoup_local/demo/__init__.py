"""The demo: 300 renewals fail, and what Recoup makes of them, checked against the gateway's own ledger."""
