"""Gear: what somebody owns of the catalogue, as PostgreSQL keeps it."""
