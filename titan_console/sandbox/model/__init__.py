"""The state of the emulator: batches, rows, models, limits, clock."""
