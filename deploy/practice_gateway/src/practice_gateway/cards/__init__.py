"""Test cards, the scripts that make a card behave over time, and the issuer that decides."""
