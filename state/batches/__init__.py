"""Writes on the life of a batch: submit, send, status, collect."""
