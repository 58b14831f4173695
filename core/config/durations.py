"""Spans of time that several packages must agree on."""

from datetime import timedelta

RETENTION = timedelta(days=29)
DEADLINE_LEAD = timedelta(hours=2)
