"""Storage: the ledger, the bodies beside it, and the mirror files for other programs."""
