"""What the pages and the API show, folded from every topic: cases, timeline, invoices, subscriptions, customers."""
