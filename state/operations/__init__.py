"""Writes on what operators, jobs and policies ask for: commands, pauses, alerts, delivery."""
