"""An embedded emulator of the Message Batches API."""
