"""A payment gateway to practise on: Stripe's wire format, test cards, its own retries, and an fsynced ledger."""
