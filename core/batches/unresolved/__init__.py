"""Batches of which it is not known what became of them at the API: unconfirmed, lost, stuck."""
