"""Checks at the real API what the engine assumes about it: `titan-console verify-api`."""
