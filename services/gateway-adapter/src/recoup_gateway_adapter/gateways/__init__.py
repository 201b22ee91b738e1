"""How each gateway speaks; nobody else knows."""
