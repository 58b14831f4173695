"""The jobs that a scan proposes for titan.toml."""

from collections.abc import Iterable, Sequence

from core.config.job import DEFAULT_MODEL, Schedule
from core.config.scan_file import Basis, ScannedJob
from core.config.titan_file import NewJob
from core.scan.findings import Finding, job_name
from core.scan.score import Tier, Verdict
from core.text import printable

_TITLES = {
    Tier.FIRST: "tier 1, found by scan: move first",
    Tier.NEXT: "tier 2, found by scan: move next",
    Tier.LATER: "tier 3, found by scan: measure first",
}


def proposed(findings: Iterable[Finding]) -> list[NewJob]:
    """A job for each task that can move and has a schedule; the first of a name counts."""
    jobs = dict[str, NewJob]()
    for finding in findings:
        schedule = _schedule(finding)
        if finding.score.verdict == Verdict.MOVE and schedule is not None:
            job = _job(finding, schedule)
            jobs.setdefault(job.name, job)
    return list(jobs.values())


def scanned(findings: Iterable[Finding]) -> tuple[ScannedJob, ...]:
    """The tasks that can move, with their tokens, for the KPIs."""
    jobs = dict[str, ScannedJob]()
    for finding in findings:
        if finding.score.verdict == Verdict.MOVE and _schedule(finding) is not None:
            month, name = finding.month, job_name(finding.task.name)
            job = ScannedJob(
                name=name,
                tokens=month.tokens if month else None,
                basis=month.basis if month else None,
            )
            jobs.setdefault(name, job)
    return tuple(jobs.values())


def without_schedule(findings: Sequence[Finding]) -> list[str]:
    """The names of tasks that can move and have no schedule, such as skills."""
    return [
        finding.task.name
        for finding in findings
        if finding.score.verdict == Verdict.MOVE and _schedule(finding) is None
    ]


def _schedule(finding: Finding) -> Schedule | None:
    rhythm = finding.task.rhythm
    return rhythm.schedule if rhythm and rhythm.gap_h is not None else None


def _job(finding: Finding, schedule: Schedule) -> NewJob:
    tier, month, per_run = finding.score.tier or Tier.LATER, finding.month, finding.per_run
    model = finding.task.model or DEFAULT_MODEL
    if month is not None and month.model and month.cost_nano is not None:
        model = month.model
    keys: dict[str, str | int] = {
        "workload": f"tier-{tier}",
        "schedule": str(schedule),
        "latency": str(finding.score.latency or "soft"),
        "model": model,
    }
    if per_run is not None:
        keys |= {"tokens_in": per_run.tokens_in, "tokens_out": per_run.tokens_out}
    keys["note"] = printable(_note(finding))
    return NewJob(name=job_name(finding.task.name), keys=keys, workload_title=_TITLES[tier])


def _note(finding: Finding) -> str:
    rhythm, month = finding.task.rhythm, finding.month
    parts = [f"Found by scan in {finding.task.place}, runs {rhythm.text if rhythm else 'never'}."]
    if finding.is_session:
        parts.append("An agent session: only its steps can run in batches.")
    if month is not None and month.basis == Basis.MEASURED:
        parts.append(f"Tokens measured in {month.runs} runs of 30 days.")
    elif finding.per_run is not None:
        parts.append("Tokens as the task states them.")
    return " ".join(parts)
