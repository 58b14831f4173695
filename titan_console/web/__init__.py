"""The console in a browser on this machine: who may see it, and what serves it."""
