"""Recovery cases: one for each invoice whose payment failed, from the first failure to its end."""
