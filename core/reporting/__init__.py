"""Reports for people and programs: JSON, digest, error groups, exports, alerts."""
