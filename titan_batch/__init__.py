"""The door for scheduled jobs."""
