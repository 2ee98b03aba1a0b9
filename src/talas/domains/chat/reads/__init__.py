"""How far one has read, and who may learn of it."""
