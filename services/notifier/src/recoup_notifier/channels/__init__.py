"""How a message travels."""
