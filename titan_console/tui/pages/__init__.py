"""Shared by the screens: base pages and dialogs."""
