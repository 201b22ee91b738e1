"""Gateway accounts and their secrets, sealed at rest."""
