"""What the console can do with what it shows, beside showing it: one module a key, loaded then.

Each has `start(page)`.
"""
