"""What is remembered: the ledger, the bodies beside it, and the mirrors for other readers."""
