"""Reads scheduled tasks and skills, and finds which of them can run as batches."""
