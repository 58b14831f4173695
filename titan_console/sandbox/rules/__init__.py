"""What the emulator accepts and rejects."""
