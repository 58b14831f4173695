"""Describes an unexpected exception by its type and place, never by its values."""

import traceback


def describe(error: Exception) -> str:
    """Type, file and line of the innermost frame: prompts, answers and keys stay out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"internal error: {type(error).__name__}{where}"
