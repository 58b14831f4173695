"""The validation rules of the emulator."""
