"""Reports, as PostgreSQL keeps it."""
