"""The catalogue, as PostgreSQL keeps it."""
