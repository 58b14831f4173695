"""Schedules of the 15-minute poller: cron, systemd, Windows and agent skill."""
