"""What customers see: a page to enter a card, a page to settle an invoice, and the bank's 3-D Secure page."""
