"""Named points at which a test can kill the process; outside tests they do nothing."""


def no_crash_point(_name: str) -> None:
    """The crash point of production."""
