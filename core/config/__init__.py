"""Settings from the environment and titan.toml."""
