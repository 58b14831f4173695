"""The console beside its screens: ledger watcher, workers, poll helper, state."""
