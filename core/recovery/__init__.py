"""Rebuilds a ledger from the files beside it, and restores a backup."""
