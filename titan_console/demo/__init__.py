"""The demo: three real jobs on real texts through a sandbox, without a key."""
