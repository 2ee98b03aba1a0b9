"""Emoji that people put to messages."""
