"""Daily backups of the ledger, and the removal of old files."""
