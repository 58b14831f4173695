"""What a run with kills did and found."""

from collections import Counter
from dataclasses import dataclass

from kill.findings import Bill
from kill.kill_runner import Report
from kill.worker import RunTarget


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run did, and the violations found after it."""

    report: Report
    after_loss: Report
    crash_points: Counter[str]
    hooks: Counter[str]
    faults: int
    polls: int
    fallback_imports: int
    # Bodies that polls made to ask again, and that were sent.
    follow_ups: int
    bill: Bill
    findings: list[str]

    @property
    def kills(self) -> Counter[str]:
        return Counter(self.report.killed) + Counter(self.after_loss.killed)


def crash_points(target: RunTarget) -> Counter[str]:
    """Where processes have killed themselves."""
    path = target.beside("crash-points")
    return Counter(path.read_text().splitlines() if path.exists() else ())


def print_outcome(outcome: Outcome) -> None:
    """The figures, and each violation."""
    report = outcome.report
    for title, counts in (
        ("killed", outcome.kills),
        ("killed at a crash point", outcome.crash_points),
        ("ended", Counter(report.ended)),
        ("exit codes", Counter(report.codes)),
        ("exit codes while the ledger was lost", Counter(outcome.after_loss.codes)),
        ("rebuilt from a ledger that was", Counter(report.damage)),
        ("delivery hooks", outcome.hooks),
    ):
        print(f"{title} ({counts.total():,}):")  # noqa: T201 - the figures
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            print(f"  {count:6,}  {name}")  # noqa: T201 - the figures
    print(f"jobs: {report.jobs:,}, faults: {outcome.faults:,}, last polls: {outcome.polls:,}")  # noqa: T201
    print(f"fallback files imported: {outcome.fallback_imports:,}")  # noqa: T201 - the figures
    print(f"follow-ups sent: {outcome.follow_ups:,}")  # noqa: T201 - the figures
    print(f"{outcome.bill}\nledger equals the bill: {outcome.bill.is_equal}")  # noqa: T201
    print(f"violations: {len(outcome.findings)}")  # noqa: T201 - the figures
    for finding in outcome.findings:
        print(f"  {finding}")  # noqa: T201 - the figures
