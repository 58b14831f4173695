"""Spans of time that several packages must agree on."""

from datetime import timedelta

RETENTION = timedelta(days=29)
GUARD = timedelta(hours=2)
