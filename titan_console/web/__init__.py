"""The console in a local browser: access control and server."""
