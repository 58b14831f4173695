"""The 15-minute poller as cron, systemd, Windows and a skill want to be told of it."""
