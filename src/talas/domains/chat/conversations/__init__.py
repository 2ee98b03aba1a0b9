"""With whom one talks."""
