"""HTTP in front of the emulator."""
