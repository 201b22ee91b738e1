"""The customer's pages: what is owed here, settled with a new card or a stored one; and the way in by mail."""
