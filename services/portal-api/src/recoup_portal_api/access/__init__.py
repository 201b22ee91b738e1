"""Who is asking: API keys, sign-in mails, sessions, forms, and how often one may knock."""
