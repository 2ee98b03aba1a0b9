"""Talas: a self-hosted home for people who make sound."""

__version__ = "0.1.0"
