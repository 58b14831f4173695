"""Faults that can be switched on in the emulator."""
