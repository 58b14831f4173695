"""Read models for screens, commands and reports."""
