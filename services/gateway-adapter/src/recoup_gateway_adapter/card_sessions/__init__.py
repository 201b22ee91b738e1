"""A customer's new card: asked for on the gateway's page, made the default, and charged at once."""
