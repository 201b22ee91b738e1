"""A payment gateway to practise on: Stripe's wire format, test cards, own retries, an fsynced ledger."""
