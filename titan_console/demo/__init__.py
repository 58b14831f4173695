"""The demo: three jobs on real texts against the sandbox, without an API key."""
