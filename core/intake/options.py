"""The options of a submission, and how they resolve with the job's defaults in titan.toml."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from itertools import chain
from typing import cast

from msgspec import Struct

from core.config.job import CONTINUE_TURNS, DEFAULT_MODEL, MOST_REASKS, MOST_TURNS, Job
from core.config.titan_tables import TitanToml
from core.errors import NeverBatched, PayloadError, SettingsError
from core.requests import supported_schema
from core.requests.cache_control import CachePolicy
from core.requests.payload import check_name, check_tag, workflow_and_date
from state.model.records import DEFAULT_LANE, FollowUps, OnFailure, OnMaxTokens
from state.model.timestamps import to_text

# The tables of titan.toml that limit what may be submitted and spent.


class SubmitOptions(Struct, frozen=True, kw_only=True):
    """The arguments of one call; None for those that it leaves to titan.toml or the defaults.

    `output` is the JSON Schema of every answer; `strict` refuses what the API would reject.
    """

    tag: str
    model: str | None = None
    workflow: str | None = None
    job: str | None = None
    deadline: datetime | None = None
    on_failure: OnFailure | None = None
    betas: tuple[str, ...] | None = None
    cache: CachePolicy | None = None
    output: Mapping[str, object] | None = None
    reask: int | None = None
    continue_turns: int | None = None
    on_max_tokens: OnMaxTokens | None = None
    strict: bool = False
    lane: str | None = None

    def check(self) -> None:
        """Raise PayloadError for a value that cannot be stored."""
        check_tag(self.tag)
        for what, name in (("model", self.model), ("workflow", self.workflow), ("job", self.job)):
            if name is not None:
                check_name(what, name)
        for beta in self.betas or ():
            check_name("beta", beta)
        if self.deadline is not None and not _is_aware(self.deadline):
            raise PayloadError(
                "deadline must be a datetime with a time zone, such as"
                f" datetime.now(timezone.utc), not {self.deadline!r:.60}.",
                code="deadline_invalid",
            )
        _check_number("reask", self.reask, MOST_REASKS)
        _check_number("continue_turns", self.continue_turns, MOST_TURNS)
        if self.output is not None:
            supported_schema.prepared(self.output)


def _check_number(what: str, number: object, most: int) -> None:
    is_number = isinstance(number, int) and not isinstance(number, bool)
    if number is not None and not (is_number and number in range(most + 1)):
        raise PayloadError(
            f"{what} must be an integer from 0 to {most}, not {number!r:.40}.",
            code=f"{what}_invalid",
        )


def _is_aware(moment: object) -> bool:
    return isinstance(moment, datetime) and moment.tzinfo is not None


class ResolvedOptions(Struct, frozen=True, kw_only=True):
    """The options of a submission with defaults applied; `job` is its job in titan.toml, if any."""

    tag: str
    model: str
    workflow: str
    work_date: str
    job: str | None
    deadline: datetime | None
    on_failure: OnFailure
    betas: tuple[str, ...]
    cache: CachePolicy
    #: The prepared schema of every answer, as JSON.
    output: bytes | None = None
    follow_ups: FollowUps = FollowUps()
    strict: bool = False
    lane: str = DEFAULT_LANE

    @property
    def deadline_ts(self) -> str | None:
        """The deadline as stored in the ledger."""
        return to_text(self.deadline) if self.deadline else None


def resolve_options(
    options: SubmitOptions, requests: Iterable[object], rules: TitanToml, *, now: datetime
) -> tuple[ResolvedOptions, Iterator[object]]:
    """The arguments of the call, else those of its job, else the defaults.

    The job is named by `job`, else by `workflow`, else by the workflow in the first custom_id.
    Returns the requests too, since the first is read from the iterator. Raises PayloadError
    (NeverBatched among them), and SettingsError for problems in titan.toml that could hide a limit.
    """
    options.check()
    first, requests = _first_id(requests)
    named, date = workflow_and_date(first, options.tag, to_text(now)[:10])
    workflow = options.workflow or named
    check_never_batch(rules, (options.job, workflow, first, options.tag))
    job = _job(options, workflow, rules)
    check_configuration(rules, job)
    deadline = options.deadline or (job.deadline_after(now) if job else None)
    if deadline is not None and deadline <= now:
        raise PayloadError(
            f"The deadline {deadline.isoformat()} has passed.", code="deadline_passed"
        )
    resolved = ResolvedOptions(
        tag=options.tag,
        model=options.model or (job.model if job else DEFAULT_MODEL),
        workflow=workflow,
        work_date=date,
        job=job.name if job else None,
        deadline=deadline,
        on_failure=options.on_failure or (job.on_failure if job else OnFailure.QUEUE),
        betas=options.betas if options.betas is not None else (job.betas if job else ()),
        cache=options.cache or (job.cache if job else CachePolicy.HOUR),
        output=None if options.output is None else supported_schema.prepared(options.output),
        follow_ups=_follow_ups(options, job),
        strict=options.strict,
        lane=check_lane(_lane(options, job), rules),
    )
    return resolved, requests


def _lane(options: SubmitOptions, job: Job | None) -> str:
    # An empty name, as of an unset shell variable, would select another account.
    if options.lane is not None:
        return options.lane
    return job.lane if job else DEFAULT_LANE


def check_lane(lane: str, rules: TitanToml) -> str:
    """The lane. Raises PayloadError for an unknown one, SettingsError for one with a mistake."""
    if lane == DEFAULT_LANE:
        return lane
    if problem := rules.lane_problem(lane):
        raise SettingsError(f"{problem} Fix titan.toml, then submit again.", code=problem.code)
    if lane not in rules.lanes:
        known = ", ".join((DEFAULT_LANE, *rules.lanes))
        raise PayloadError(f"No lane {lane!r:.60}; titan.toml has {known}.", code="unknown_lane")
    return lane


def _follow_ups(options: SubmitOptions, job: Job | None) -> FollowUps:
    reask = options.reask
    turns = options.continue_turns
    return FollowUps(
        reask=(job.reask if job else 0) if reask is None else reask,
        continue_turns=(job.continue_turns if job else CONTINUE_TURNS) if turns is None else turns,
        on_max_tokens=options.on_max_tokens or (job.on_max_tokens if job else OnMaxTokens.REVIEW),
    )


def check_never_batch(rules: TitanToml, names: Iterable[str | None]) -> None:
    """Raise NeverBatched, with the reason, if one of the names is never batched."""
    found = rules.never_batch.reason_for(names)
    if found:
        raise NeverBatched(f"{found[0]!r} is never batched: {found[1]}. Call the API directly.")


def check_configuration(rules: TitanToml, job: Job | None = None) -> None:
    """Raise SettingsError while titan.toml has a problem that may hide a limit or a job option."""
    for problem in rules.problems:
        of_the_job = job is not None and problem.path[:2] == ("jobs", job.name)
        if of_the_job or problem in rules.limit_problems:
            raise SettingsError(f"{problem} Fix titan.toml, then submit again.", code=problem.code)


def _first_id(requests: Iterable[object]) -> tuple[str, Iterator[object]]:
    """The custom_id of the first request, empty without one, and all the requests."""
    rest = iter(requests)
    for first in rest:
        found = cast("Mapping[str, object]", first).get("custom_id") if _has_keys(first) else None
        return found if isinstance(found, str) else "", chain([first], rest)
    return "", rest


def _has_keys(request: object) -> bool:
    return isinstance(request, Mapping)


def _job(options: SubmitOptions, workflow: str, rules: TitanToml) -> Job | None:
    if options.job is None:
        return rules.job_named([workflow])
    job = rules.job_named([options.job])
    if job is None:
        near = get_close_matches(options.job, rules.jobs, n=1)
        hint = f"did you mean {near[0]}?" if near else "`titan-console jobs` lists them."
        if not rules.jobs:
            hint = "`titan-console jobs init` writes the jobs of `titan-console jobs` to it."
        raise PayloadError(f"No job {options.job!r} in titan.toml; {hint}", code="unknown_job")
    return job
