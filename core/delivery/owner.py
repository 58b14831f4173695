"""Which host delivers a submission, where several share the ledger."""

from collections.abc import Iterable
from datetime import timedelta

from core.batches.engine_context import Context
from core.config.titan_file import read
from core.config.titan_tables import TitanToml
from core.text import pluralize
from state.model.records import Submission
from state.model.timestamps import from_text
from state.operations import hosts

# Polls come every 15 minutes.
_LATE = timedelta(hours=2)


class Owner:
    """Tells whose a submission is: its file and the hook that reads it are on one host.

    That is the `host` of its job in this host's titan.toml, so that one host can take over from
    another; else the one that was recorded when it was submitted.
    """

    def __init__(self, context: Context) -> None:
        """Reads titan.toml where hosts share the ledger."""
        self._here = context.ledger.host
        self._rules = read(context.folder) if self._here else TitanToml()
        self._source, self._now = context.ledger, context.clock.now()

    def of(self, submission: Submission) -> str:
        """The host, "" for any."""
        job = self._rules.job_named((submission.job, submission.workflow, submission.tag))
        return (job.host if job else "") or submission.host

    def is_here(self, submission: Submission) -> bool:
        """Whether this host delivers it."""
        return not self._here or self.of(submission) in ("", self._here)

    def elsewhere(self, waiting: Iterable[Submission]) -> tuple[list[str], list[str]]:
        """What other hosts are to deliver, a line for each of them, and the lines of the late ones.

        A late one is a problem: the host may be gone.
        """
        oldest, count = dict[str, str](), dict[str, int]()
        for submission in waiting:
            if not self.is_here(submission):
                host, finished = self.of(submission), submission.finished_ts or ""
                count[host] = count.get(host, 0) + 1
                oldest[host] = min(finished, oldest.get(host, finished))
        lines, late = list[str](), list[str]()
        known = {host.name for host in hosts.known(self._source)} if oldest else set[str]()
        for host, finished in oldest.items():
            what = pluralize(count[host], "finished submission")
            if from_text(finished) + _LATE > self._now:
                left = f"{what} left to the next poll of host {host}, which"
                never = "has never used the ledger: check host in their [jobs.NAME] of titan.toml"
                lines.append(f"{left} {'delivers them' if host in known else never}")
            else:
                late.append(
                    f"{what} of host {host} not delivered since {finished}: only a poll of that"
                    f' host delivers them. Where it is gone, set host = "{self._here}" in their'
                    " [jobs.NAME] of titan.toml on this host."
                )
        return lines, late
