"""`ledger copy`: moves a whole ledger from one database to another (docs/adr/0016)."""
