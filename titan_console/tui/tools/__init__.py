"""Tools for what a page shows: one module per key, loaded when the key is pressed.

Each has `start(page)`.
"""
