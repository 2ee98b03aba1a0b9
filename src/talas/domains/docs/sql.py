"""Documents of the house about a product of the catalogue, as PostgreSQL keeps it."""
