"""What the emulator answers: messages, results, tokens, the bill."""
