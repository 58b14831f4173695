"""Responses of the emulator: messages, results, tokens, the bill."""
