"""Whose messages one does not want."""
