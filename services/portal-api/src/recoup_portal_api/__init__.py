"""Decides what a customer or a merchant may see and change."""
