"""The console without its screens: ledger watcher, workers, poll helper, state."""
