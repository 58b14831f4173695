"""Finished work on its way to the next job: results, files and hooks."""
