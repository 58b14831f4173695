"""What the emulator remembers: batches, rows, models, limits, its clock."""
