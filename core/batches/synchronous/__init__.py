"""Runs requests synchronously: one call each, at the full price, many at once."""
