"""Search, as PostgreSQL keeps it."""
