"""The control API: what a test or a demo may do to the gateway behind the merchant's back."""
