"""Moves a scheduled job to half-price batches of the Anthropic Message Batches API.

    import titan_batch

    key = titan_batch.submit(requests, tag="daily-feed")
    ...
    results = titan_batch.poll_and_collect(key)      # None until every request has ended
    summary = titan_batch.reconcile("daily-feed")

    rows = titan_batch.map(reviews, "Is this positive? {review}", tag="reviews")

The database and the request and result files are in the folder TITAN_HOME; the API key is
ANTHROPIC_API_KEY. Every error is a TitanError with a stable `code`. Problems that do not stop a
call, such as an unreachable API, are logged as warnings of the logger "titan_batch".
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeVar

from msgspec import to_builtins

from core.bootstrap import open_api, process_name, server_of
from core.clock import SystemClock
from core.config.job import DEFAULT_MODEL
from core.config.settings import from_environment, pin_home
from core.delivery.instances import with_output
from core.engine import Engine
from core.errors import InputError, PayloadError, SettingsError, TitanError
from core.intake import existing_submission, fallback_contents, fallback_files, recorded_calls
from core.intake.options import SubmitOptions
from core.intake.python_input import plain_requests
from core.reporting import json_reports
from core.requests.cache_control import CachePolicy
from core.requests.output_schema import schema_of
from core.requests.payload import check_name
from state.files import fallback_file
from state.files.fallback_file import FallbackFile
from state.model.errors import (
    AlreadySubmitted,
    LedgerBusy,
    LedgerError,
    LedgerUnusable,
    UnknownId,
)
from state.model.records import OnFailure, OnMaxTokens
from titan_batch.session import ACTOR, an_engine, log
from titan_batch.session import poll as _poll
from titan_batch.table_map import map_rows as map  # noqa: A004 - what it does to a table

__all__ = [
    "AlreadySubmitted",
    "InputError",
    "LedgerError",
    "LedgerUnusable",
    "PayloadError",
    "SettingsError",
    "TitanError",
    "UnknownId",
    "map",
    "poll_and_collect",
    "reconcile",
    "record_sync",
    "submit",
]


class _Default(str):
    """A default value, distinguishable from the same value passed by the caller."""

    __slots__ = ()


_DEFAULT_MODEL = _Default(DEFAULT_MODEL)
_Choice = TypeVar("_Choice", bound=StrEnum)
pin_home()


def submit(  # noqa: PLR0913 - each is an option
    requests: Iterable[Mapping[str, Any]],
    *,
    tag: str,
    model: str = _DEFAULT_MODEL,
    workflow: str | None = None,
    deadline: datetime | None = None,
    betas: Sequence[str] | None = None,
    on_failure: Literal["queue", "sync"] | None = None,
    cache: Literal["none", "1h", "upgrade", "prime"] | None = None,
    output: object = None,
    reask: int | None = None,
    continue_turns: int | None = None,
    on_max_tokens: Literal["review", "raise"] | None = None,
    strict: bool = False,
    lane: str | None = None,
) -> str:
    """Store the requests durably, send them as batches, and return the key of the submission.

    If the API definitely did not accept a batch, its requests stay queued and the next poll sends
    them; with on_failure="sync" they run synchronously now, at full price. Requests that the API
    rejected as invalid are errored, and not run. The same call made again returns the same key and
    sends nothing.

    If the database cannot be written, what was submitted before still keeps its key and is not sent
    or run again. Other requests are kept in a fallback file, with on_failure="sync" together with
    their results; the next poll imports it. Where the database is shared with other hosts and may
    have the requests already, they are kept and not run.

    Args:
        requests: each `{"custom_id", "messages", "max_tokens", ...}`, or in the API's form
            `{"custom_id", "params"}`. A custom_id is 1 to 64 letters, digits, "_" or "-", and
            unique in the call. The form `<workflow>-<YYYY-MM-DD>-<number>` also names the
            workflow; with any other, the workflow is the tag. Objects of the SDK and iterables
            are accepted as the SDK accepts them, and as the source of an image or document a
            pathlib.Path or an open file.
        tag: names the submission; `poll_and_collect` and `reconcile` accept it.
        model: for requests without one.
        workflow: the name by which costs and result files are grouped. Default: from the first
            custom_id, otherwise the tag.
        deadline: when results are needed, with a time zone. Two hours before it, or earlier if the
            workflow's batches usually take longer, requests without a result run synchronously.
        betas: beta headers of the batches.
        on_failure: "queue" or "sync", see above.
        cache: "none" rejects cache_control, "1h" accepts 1-hour caching, "upgrade" also changes
            5-minute caching to 1 hour, "prime" marks a long common prefix and sends one request
            first, to write the cache for the others.
        output: what every answer is: a pydantic model, a dataclass, a TypedDict or a JSON Schema.
            Sent as the API's structured output, and each answer is checked again when it arrives.
        reask: how often, at most 5 times, polls ask again for an answer that does not match its
            schema, with the error. Each answer is charged. Default: 0.
        continue_turns: how often polls continue an answer that ended with pause_turn. Default: 3.
        on_max_tokens: "review" lists an answer that was cut off for review; "raise" asks again
            with twice the max_tokens, up to the limit of the model. Default: "review".
        strict: raise PayloadError for a request that the API would reject, such as one with an
            unknown parameter. Otherwise a warning is logged.
        lane: the lane in titan.toml whose account and platform receive the batches. Default: that
            of the environment.

    If the workflow is a job in titan.toml, its values are the defaults of the arguments that the
    call omits, but for workflow and output.

    Raises:
        PayloadError: a request or an argument is invalid, the name is never batched, or a budget
            would be exceeded. The message names the request. Nothing was stored or sent.
        AlreadySubmitted: the tag already has one of the custom_ids with a different body.
        SettingsError: titan.toml or the environment must be fixed first. Nothing was stored.
        LedgerError: neither the database nor a fallback file can be written.

    """
    listed = _listed(requests)
    options = SubmitOptions(
        tag=tag,
        model=None if isinstance(model, _Default) else check_name("model", model),
        workflow=workflow,
        deadline=deadline,
        on_failure=_choice("on_failure", on_failure, OnFailure),
        betas=_betas(betas),
        cache=_choice("cache", cache, CachePolicy),
        output=None if output is None else schema_of(output),
        reask=reask,
        continue_turns=continue_turns,
        on_max_tokens=_choice("on_max_tokens", on_max_tokens, OnMaxTokens),
        lane=lane,
        strict=strict,
    )
    options.check()
    try:
        with an_engine() as engine:
            submitted = engine.submit(listed, options)
    except AlreadySubmitted:
        raise
    except LedgerError as error:
        return _fall_back(listed, options, error)
    except TitanError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug here must not stop the job
        log.exception("Bug in titan_batch; the requests are kept in a fallback file.")
        return _fall_back(listed, options, LedgerUnusable(f"Bug in titan_batch: {error!r}."))
    for line in (*submitted.warnings, *filter(None, [submitted.problem])):
        log.warning("%s: %s", submitted.submission.key, line)
    return submitted.submission.key


def _listed(requests: object) -> list[Any]:
    if isinstance(requests, str | bytes | Mapping) or not isinstance(requests, Iterable):
        raise PayloadError(
            f"requests must be a list of objects, not {requests!r:.60}.", code="requests_not_list"
        )
    return plain_requests(requests)  # pyright: ignore[reportUnknownArgumentType]


def poll_and_collect(batch_id: str, *, output: object = None) -> list[dict[str, Any]] | None:
    """Return all results in input order once every request has ended, None before.

    An answer that is asked for again has not ended. Also None, with a warning in the log, while
    another process locks or replaces the ledger, or its server cannot be reached.

    If a request is unfinished, polls the API first: that needs the key, may take `poll_max_min`
    minutes, sends what other jobs queued too, and logs what goes wrong. A submission in a fallback
    file is answered from that file until a poll has imported it; under its tag, it has not
    ended before that.

    Args:
        batch_id: the key that `submit` returned, the key of a batch, an API batch id, or a tag.
        output: the type of every answer, as for `submit`. Each result then has its instance.

    Returns:
        One dictionary per request, always with these keys:

        custom_id: the caller's name of the request.
        outcome: "succeeded", "errored", "canceled", "expired" or "missing".
        text: the text blocks of the answer, joined. None without an answer.
        message: the message of the API as a dictionary. None without an answer.
        error: `{"type", "message"}`. None if the request succeeded.
        usage: the usage of the API, in tokens. None without an answer.
        cost_usd: actual cost in US dollars. None for a model without a known price.
        batch_id: key of the batch with this result. None without a result.
        invalid: why the answer does not match its schema, on one line. None where it does, where
            it has no schema, and where it was refused, cut off or unfinished.
        output: the instance of `output`, only with that argument. None without a valid answer.

    Raises:
        UnknownId: nothing has that key, id or tag.
        LedgerError: the database or a results file cannot be read, or the results were removed by
            `prune`. LedgerUnusable, a LedgerError, where the database is lost or damaged: run
            `titan-console doctor`, which says how to restore it, and call this again later.

    """
    found = _results(batch_id)
    if output is None or found is None:
        return found
    return [with_output(result, output) for result in found]


def _results(batch_id: str) -> list[dict[str, Any]] | None:
    try:
        with an_engine() as engine:
            if _waiting(engine, batch_id):
                _poll(engine)
            if waiting := _waiting(engine, batch_id):
                # Of a tag, others may be in the ledger.
                return fallback_contents.results(waiting[0]) if batch_id == waiting[0].key else None
            return list(engine.results(batch_id)) if _is_finished(engine, batch_id) else None
    except LedgerError as error:
        kept = _fallback_file(batch_id)
        if kept is not None:
            return fallback_contents.results(kept)
        if isinstance(error, LedgerBusy) or error.code == "ledger_unreachable":
            log.warning("Cannot read the results of %s now: %s", batch_id, error)
            return None
        raise


def _is_finished(engine: Engine, name: str) -> bool:
    """Whether every request has ended, if need be after a poll."""
    if engine.is_finished(name) and not engine.has_follow_ups(name):
        return True
    is_polled = _poll(engine)
    # Where another process polls, it is about to ask again.
    return engine.is_finished(name) and (is_polled or not engine.has_follow_ups(name))


def reconcile(tag: str) -> dict[str, Any]:
    """Return the state of everything under a tag.

    If a request is unfinished, polls the API first, as `poll_and_collect` does.

    Returns:
        One dictionary, always with these keys:

        tag: the tag.
        submissions: keys of the submissions under the tag; empty for an unknown tag.
        requests: number of requests.
        by_status: number of requests in each status.
        finished: whether every request has ended.
        settled: whether every request has succeeded or was acknowledged.
        batches: one dictionary per batch, as docs/json.md describes it.
        cost_usd: actual cost in US dollars so far.
        savings_usd: synchronous price of the same answers minus their cost.
        problem: why the database cannot be read. None if it was read.

    Requests in fallback files that no poll has imported are counted too, and `finished` is false
    while there are any. If the database cannot be read, this does not raise: `problem` is the
    reason, and only these are counted.

    """
    try:
        with an_engine() as engine:
            summary = _summary(engine, tag)
            if summary["submissions"] and not summary["finished"]:
                _poll(engine)
                summary = _summary(engine, tag)
    except LedgerError as error:
        log.warning("Cannot read the state of %s: %s", tag, error)
        return fallback_contents.tag_summary(from_environment().folder, tag, str(error))
    # `trouble` is the old name, kept for one release.
    return summary | {"problem": None, "trouble": None}


def record_sync(
    tag: str,
    model: str,
    usage: Any,  # noqa: ANN401 - a mapping, or the SDK's object
    *,
    workflow: str | None = None,
    custom_id: str | None = None,
) -> str:
    """Record a call that the job made synchronously itself, and return the key of the record.

    It is priced by the region, service tier and speed in its usage, and saves nothing unless its
    tier is `batch`; the KPI for the share of batched work includes it.

    Args:
        tag: the tag to record it under.
        model: the model that answered.
        usage: `usage` of the API's response, as a mapping or as the SDK's object.
        workflow: default: from the custom_id, else the tag.
        custom_id: the same custom_id under the same tag is recorded only once.

    Raises:
        PayloadError: a token count is missing or negative, or a name is invalid.
        LedgerError: the database cannot be written.

    """
    plain = usage if isinstance(usage, Mapping) else getattr(usage, "model_dump", dict)()  # pyright: ignore[reportUnknownVariableType]
    with an_engine() as engine:
        return recorded_calls.record_sync(
            engine.context,
            tag=tag,
            model=model,
            usage=plain,  # pyright: ignore[reportUnknownArgumentType]
            workflow=workflow,
            custom_id=custom_id,
        )


def _choice(what: str, message: str | None, choices: type[_Choice]) -> _Choice | None:
    try:
        return None if message is None else choices(message)
    except ValueError:
        allowed = " or ".join(repr(choice.value) for choice in choices)
        raise PayloadError(
            f"{what} must be {allowed}, not {message!r}.", code=f"{what}_invalid"
        ) from None


def _betas(betas: Sequence[str] | None) -> tuple[str, ...] | None:
    return (betas,) if isinstance(betas, str) else None if betas is None else tuple(betas)


def _fall_back(requests: list[Any], options: SubmitOptions, error: LedgerError) -> str:
    """Keep the requests in a fallback file, run them now for on_failure="sync"; its key.

    What was submitted before keeps its key, and nothing runs; nor does what may have been.
    """
    settings, clock = from_environment(), SystemClock()
    folder = settings.folder
    known = existing_submission.find(folder, requests, options, clock=clock, error=error)
    if known.key is not None:
        log.warning("%s was submitted before, nothing was sent: %s", known.key, error)
        return known.key
    file = fallback_files.save(
        folder,
        requests,
        options,
        clock=clock,
        actor=process_name(ACTOR, settings.host),
        error=error,
    )
    log.warning("%s is kept in %s: %s", file.key, file.path, error)
    if file.header().on_failure == OnFailure.SYNC and not known.is_new:
        log.warning("%s was not run: it may have been submitted before.", file.key)
    elif file.header().on_failure == OnFailure.SYNC:
        try:
            lane = file.header().lane
            with closing(open_api(settings, lane=lane)) as api:
                server = server_of(settings, lane)
                problem = fallback_files.run_sync(folder, file, api, clock, server=server)
        except (TitanError, OSError) as failure:
            problem = str(failure)
        if problem:
            log.warning("%s: %s", file.key, problem)
    return file.key


def _fallback_file(key: str) -> FallbackFile | None:
    return fallback_file.find(from_environment().folder, key)


def _waiting(engine: Engine, name: str) -> list[FallbackFile]:
    return fallback_contents.waiting(engine.context.ledger, engine.context.folder, name)


def _summary(engine: Engine, tag: str) -> dict[str, Any]:
    files = _waiting(engine, tag)
    known = to_builtins(json_reports.tag_summary(engine.context.ledger, tag))
    with suppress(FileNotFoundError):
        merged = fallback_contents.with_files(known, files)
        if files == _waiting(engine, tag):
            return merged
    # Meanwhile another process has kept or imported one.
    return _summary(engine, tag)
