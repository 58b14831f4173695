"""Requests before they are sent: validation, cache control, splitting, wire ids. Pure."""
