"""Three calls that move a scheduled job to half-price batches.

    import titan_batch

    key = titan_batch.submit(requests, tag="daily-feed")
    ...
    results = titan_batch.poll_and_collect(key)      # None while it runs
    summary = titan_batch.reconcile("daily-feed")

State lies under TITAN_HOME; the key of the API comes from ANTHROPIC_API_KEY.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeVar

from msgspec import to_builtins

from core.bootstrap import open_api, open_engine
from core.clock import SystemClock
from core.config.job import DEFAULT_MODEL
from core.config.settings import from_environment
from core.engine import Engine
from core.errors import PayloadError, SettingsError, TitanError
from core.intake import external_calls, fallback, fallback_contents
from core.intake.options import SubmitOptions
from core.reporting import json_reports
from core.requests.cache_control import CachePolicy
from core.requests.payload import check_name
from state.files import fallback_file
from state.files.fallback_file import FallbackFile
from state.files.folder import Folder
from state.model.errors import AlreadySubmitted, LedgerError, LedgerUnusable, UnknownId
from state.model.records import OnFailure

__all__ = [
    "AlreadySubmitted",
    "LedgerError",
    "PayloadError",
    "SettingsError",
    "TitanError",
    "UnknownId",
    "poll_and_collect",
    "reconcile",
    "record_sync",
    "submit",
]


class _NotSaid(str):
    """A default, told apart from the same word said by the caller."""

    __slots__ = ()


_DEFAULT_MODEL = _NotSaid(DEFAULT_MODEL)
_Choice = TypeVar("_Choice", bound=StrEnum)
_ACTOR = "titan_batch"
_log = logging.getLogger("titan_batch")


def submit(
    requests: Iterable[Mapping[str, Any]],
    *,
    tag: str,
    model: str = _DEFAULT_MODEL,
    workflow: str | None = None,
    deadline: datetime | None = None,
    betas: Sequence[str] | None = None,
    on_failure: Literal["queue", "sync"] | None = None,
    cache: Literal["none", "1h", "upgrade"] | None = None,
) -> str:
    """Take the requests in for good, then send them; returns the key of the submission.

    Each request is `{"custom_id", "messages", "max_tokens", ...}`, or the API's own
    `{"custom_id", "params"}`. What surely was not taken in by the API is queued, and the next poll
    sends it; with `on_failure="sync"` it is answered at once instead, at the full price. The same
    call made again returns the same key and sends nothing.

    Where the workflow, by its name or by that of the custom_ids, is a job of titan.toml, what that
    says holds for whatever is not given here.

    A ledger that cannot be used does not stop the job: the requests are kept in a fallback file,
    with `on_failure="sync"` together with their answers, and the next poll imports it.

    Raises PayloadError or AlreadySubmitted, which name the request, and then nothing was taken
    in; LedgerError when there is no place at all to write them down.
    """
    listed = _listed(requests)
    options = SubmitOptions(
        tag=tag,
        model=None if isinstance(model, _NotSaid) else check_name("model", model),
        workflow=workflow,
        deadline=deadline,
        on_failure=_choice("on_failure", on_failure, OnFailure),
        betas=_betas(betas),
        cache=_choice("cache", cache, CachePolicy),
    )
    options.check()
    try:
        with _engine() as engine:
            submitted = engine.submit(listed, options)
    except AlreadySubmitted:
        raise
    except LedgerError as error:
        return _fall_back(listed, options, error)
    except TitanError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect of ours must not take the job down
        _log.exception("A defect of titan_batch; the requests are kept all the same.")
        return _fall_back(listed, options, LedgerUnusable(f"A defect of titan_batch: {error!r}."))
    for line in (*submitted.warnings, *filter(None, [submitted.problem])):
        _log.warning("%s: %s", submitted.submission.key, line)
    return submitted.submission.key


def _listed(requests: object) -> list[Any]:
    if isinstance(requests, str | bytes | Mapping) or not isinstance(requests, Iterable):
        raise PayloadError(f"The requests must be a list of objects, not {requests!r:.60}.")
    return list(requests)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def poll_and_collect(batch_id: str) -> list[dict[str, Any]] | None:
    """Every result in input order when all have ended, None before.

    Takes the key that `submit` returned, a batch's key, a remote id or a tag. A result is
    `{"custom_id", "outcome", "text", "message", "error", "usage", "cost_usd", "batch_id"}` with
    absent parts None. Asks the API only while something is open. Raises UnknownId.

    Results of a submission in a fallback file come from that file until a poll has imported it.
    """
    kept = _fallback_file(batch_id)
    try:
        with _engine() as engine:
            if kept is not None:
                _poll(engine)
            if not engine.is_finished(batch_id):
                _poll(engine)
                if not engine.is_finished(batch_id):
                    return None
            return list(engine.results(batch_id))
    except LedgerError:
        kept = _fallback_file(batch_id)
        if kept is None:
            raise
        return fallback_contents.results(kept)


def reconcile(tag: str) -> dict[str, Any]:
    """Where everything under the tag stands, after a look at the API if something is open.

    Returns `{"tag", "submissions", "requests", "by_status", "finished", "settled", "batches",
    "cost_usd", "savings_usd", "problem"}`. A ledger that cannot be read takes no job down:
    `problem` says so, what is in fallback files is counted, and nothing is called finished.
    """
    try:
        with _engine() as engine:
            summary = _summary(engine, tag)
            if summary["submissions"] and not summary["finished"]:
                _poll(engine)
                summary = _summary(engine, tag)
    except LedgerError as error:
        _log.warning("%s cannot be reconciled: %s", tag, error)
        return fallback_contents.tag_summary(Folder(from_environment().home), tag, str(error))
    # `trouble` is the old name, kept for one release.
    return summary | {"problem": None, "trouble": None}


def record_sync(
    tag: str,
    model: str,
    usage: Any,  # noqa: ANN401 - a mapping, or the SDK's own record of it
    *,
    workflow: str | None = None,
    custom_id: str | None = None,
) -> str:
    """Tell the ledger of a call that the job made synchronously; returns the key of its row.

    `usage` is the answer's `usage`, as a mapping or as the SDK gives it. It is priced at the full
    price and saves nothing; the share of batchable work that really ran in batch counts it. The
    same custom_id recorded again under the tag is recorded once. Raises PayloadError for a
    negative or absent count.
    """
    plain = usage if isinstance(usage, Mapping) else getattr(usage, "model_dump", dict)()  # pyright: ignore[reportUnknownVariableType]
    with _engine() as engine:
        return external_calls.record_sync(
            engine.context,
            tag=tag,
            model=model,
            usage=plain,  # pyright: ignore[reportUnknownArgumentType]
            workflow=workflow,
            custom_id=custom_id,
        )


def _engine() -> Engine:
    return open_engine(from_environment(), actor=_ACTOR, runs_commands=False)


def _choice(what: str, said: str | None, choices: type[_Choice]) -> _Choice | None:
    try:
        return None if said is None else choices(said)
    except ValueError:
        among = " or ".join(repr(choice.value) for choice in choices)
        raise PayloadError(f"{what} is {among}, not {said!r}.") from None


def _betas(betas: Sequence[str] | None) -> tuple[str, ...] | None:
    return (betas,) if isinstance(betas, str) else None if betas is None else tuple(betas)


def _fall_back(requests: list[Any], options: SubmitOptions, error: LedgerError) -> str:
    """Keep the requests in a fallback file, answered where the job asks for that; its key."""
    settings, clock = from_environment(), SystemClock()
    file = fallback.save(
        Folder(settings.home), requests, options, clock=clock, actor=_ACTOR, error=error
    )
    _log.warning("%s is kept in %s: %s", file.key, file.path, error)
    if file.header().on_failure == OnFailure.SYNC:
        try:
            with closing(open_api(settings)) as api:
                problem = fallback.run_sync(file, api, clock)
        except (TitanError, OSError) as failure:
            problem = str(failure)
        if problem:
            _log.warning("%s: %s", file.key, problem)
    return file.key


def _fallback_file(key: str) -> FallbackFile | None:
    return fallback_file.find(Folder(from_environment().home), key)


def _summary(engine: Engine, tag: str) -> dict[str, Any]:
    return to_builtins(json_reports.tag_summary(engine.context.ledger, tag))


def _poll(engine: Engine) -> None:
    """A pass on behalf of a job that wants results: what goes wrong is logged, not raised."""
    try:
        problems = engine.poll().problems
    except SettingsError as error:
        problems = [str(error)]
    for trouble in problems:
        _log.warning("%s", trouble)
