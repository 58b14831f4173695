"""Rebuild of a damaged ledger, and import of fallback files."""
