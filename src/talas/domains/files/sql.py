"""Files that people keep with their gear, as PostgreSQL keeps it."""
