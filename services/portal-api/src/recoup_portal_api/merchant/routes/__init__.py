"""The merchant's part of the API: accounts, cases, the sum of them, and what a mail would look like."""
