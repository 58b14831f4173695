"""Writes for operators, jobs and policies: commands, pauses, alerts, deliveries."""
