"""What a merchant's program sees and changes: gateway accounts, cases and why they stand as they do, the sum of it."""
