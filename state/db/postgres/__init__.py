"""The ledger in PostgreSQL (docs/adr/0016)."""
