"""`titan-console submit`: stores requests from a file and sends them as batches."""

from codecs import BOM_UTF8
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import IO

import click
import msgspec

from core.bootstrap import open_engine
from core.config.job import CONTINUE_TURNS, DEFAULT_MODEL, MOST_REASKS, MOST_TURNS
from core.config.settings import from_environment
from core.errors import PayloadError
from core.intake import submit_report
from core.intake.dropped_params import DroppedParams
from core.intake.options import SubmitOptions
from core.intake.request_file import RequestFile
from core.intake.submit import SubmitResult
from core.requests.cache_control import CachePolicy
from core.text import pluralize
from state.model.errors import COMMIT_UNKNOWN, AlreadySubmitted, LedgerError, LedgerUnusable
from state.model.records import Batch, BatchKind, OnFailure, OnMaxTokens, of_lane
from state.queries.batch_list import batches_of
from titan_console.cli import progress
from titan_console.cli.dry_run import show_plan
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, json_option, lane_option, print_json
from titan_console.cli.request_files import RequestFileArgument, tag_of
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells


@click.command
@click.argument("file", type=RequestFileArgument())
@click.option("--tag", help="Name of the submission. Default: the file name.")
@click.option("--job", help="Job in titan.toml. Default: the job named like the workflow.")
@click.option(
    "--model",
    help=f"Model for requests without one. Default: the job's value, otherwise {DEFAULT_MODEL}.",
)
@click.option(
    "--workflow",
    help="Name by which costs, pauses and result files are grouped. Default: from the first"
    " custom_id, if it has the form WORKFLOW-YYYY-MM-DD-NUMBER, otherwise the tag.",
)
@click.option(
    "--deadline",
    help="When results are needed: date and time with a zone, such as"
    " 2026-05-02T06:00+02:00. Default: the job's value, otherwise"
    " none.",
)
@click.option(
    "--beta",
    "betas",
    multiple=True,
    help="Beta header for the batch; repeatable. Default: the job's value.",
)
@click.option(
    "--on-failure",
    type=click.Choice([policy.value for policy in OnFailure]),
    help="If the API did not create a batch for a reason that is not in its requests (connection,"
    " key, rate limit, account): keep them queued, or run them synchronously at full price."
    " Default: the job's value, otherwise queue.",
)
@click.option(
    "--cache",
    type=click.Choice([policy.value for policy in CachePolicy]),
    help="cache_control in requests: none rejects it; 1h accepts only 1-hour caches; upgrade"
    " changes 5-minute caches to 1 hour; prime marks a common prefix, and one request writes the"
    " cache before the others are sent."
    " Default: the job's value, otherwise 1h.",
)
@click.option(
    "--schema",
    type=click.File("rb"),
    help="JSON Schema of every answer: sent as the API's structured output, and each answer is"
    " checked again when it arrives.",
)
@click.option(
    "--reask",
    type=click.IntRange(0, MOST_REASKS),
    help="How often polls ask again for an answer that does not match its schema, with the error."
    " Each answer is charged. Default: the job's value, otherwise 0.",
)
@click.option(
    "--continue-turns",
    type=click.IntRange(0, MOST_TURNS),
    help="How often polls continue an answer that ended with pause_turn. Default: the job's value,"
    f" otherwise {CONTINUE_TURNS}.",
)
@click.option(
    "--on-max-tokens",
    type=click.Choice([policy.value for policy in OnMaxTokens]),
    help="If an answer was cut off by max_tokens: list it for review, or ask again with twice the"
    " max_tokens, up to the limit of the model. Default: the job's value, otherwise review.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse requests that the API would reject, instead of a warning: nothing is stored.",
)
@lane_option(
    "Lane in titan.toml whose account and platform receive the batches. Default: the job's value,"
    " otherwise the environment's account."
)
@click.option(
    "--drop",
    "dropped",
    multiple=True,
    metavar="NAMES",
    help="Remove these parameters from every request, as in --drop temperature,top_p; repeatable.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only print the plan: batches, bytes and estimated cost."
)
@json_option
@click.pass_context
def command(  # noqa: PLR0913 - each is an option
    ctx: click.Context,
    *,
    file: IO[bytes],
    tag: str | None,
    job: str | None,
    model: str | None,
    workflow: str | None,
    deadline: str | None,
    betas: tuple[str, ...],
    on_failure: str | None,
    cache: str | None,
    schema: IO[bytes] | None,
    reask: int | None,
    continue_turns: int | None,
    on_max_tokens: str | None,
    strict: bool,
    lane: str | None,
    dropped: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Store the requests in FILE (- for stdin), send them as batches, and print the key.

    A request is {"custom_id", "messages", "max_tokens", ...} or the API's own {"custom_id",
    "params"}. FILE has one per line, or a JSON array, or the API's {"requests": [...]}; it may be
    compressed with gzip or zstd. Submitting the same file again sends nothing.

    If the workflow is a job in titan.toml, its keys are the defaults for omitted options.
    """
    options = SubmitOptions(
        tag=tag_of(file.name) if tag is None else tag,
        model=model,
        workflow=workflow,
        job=job,
        deadline=_moment(deadline) if deadline else None,
        betas=betas or None,
        on_failure=OnFailure(on_failure) if on_failure else None,
        cache=CachePolicy(cache) if cache else None,
        output=read_schema(schema) if schema else None,
        reask=reask,
        continue_turns=continue_turns,
        on_max_tokens=OnMaxTokens(on_max_tokens) if on_max_tokens else None,
        strict=strict,
        lane=lane,
    )
    source, drop = RequestFile(file), DroppedParams(",".join(dropped).split(","))
    requests = drop.remove_from(source)
    if dry_run:
        with _located(source):
            show_plan(requests, options, as_json=as_json)
        _print_dropped(drop)
        return
    with progress.shown() as bar:
        with nothing_sent():
            engine = open_engine(from_environment(), actor="cli", progress=bar)
        with engine:
            with nothing_sent(), _located(source):
                submitted = engine.submit(requests, options)
            batches = batches_of(engine.context.ledger, submitted.submission)
    _print_dropped(drop)
    ctx.exit(_report(submitted, batches, as_json=as_json))


@contextmanager
def _located(source: RequestFile) -> Generator[None, None, None]:
    """Name the line of an error, and the option that removes a parameter."""
    with source.naming_lines():
        try:
            yield
        except PayloadError as error:
            if error.code == "unsupported_param":
                error.args = (f"{error} --drop NAME removes a parameter from every request.",)
            raise


def _print_dropped(drop: DroppedParams) -> None:
    counts = [f"{name} from {pluralize(n, 'request')}" for name, n in drop.counts.items()]
    if counts:
        print_stderr(f"Removed {', '.join(counts)}.")


@contextmanager
def nothing_sent() -> Generator[None, None, None]:
    """Add to a ledger error what was sent; the command line writes no fallback file."""
    try:
        yield
    except AlreadySubmitted:
        raise
    except LedgerError as error:
        then = (
            "To submit the same again is safe: it is stored once."
            if error.code == COMMIT_UNKNOWN
            else "Nothing was sent or stored; fix the ledger, then submit again."
        )
        message = f"{error} {then}"
        raise LedgerUnusable(message, code=error.code) from error


def _report(submitted: SubmitResult, batches: Sequence[Batch], *, as_json: bool) -> int:
    taken = submitted.submission
    if as_json:
        print_json(submit_report.report(submitted, batches))
    else:
        echo(taken.key)
    for warning in submitted.warnings:
        print_stderr(f"titan-console: {warning}")
    if taken.deadline_ts:
        job = f" (job {taken.job})" if taken.job else ""
        print_stderr(f"Deadline: {cells.moment(taken.deadline_ts)}{job}.")
    if submitted.repeated:
        known = f"{taken.key}{of_lane(taken.lane)}"
        print_stderr(f"These requests were already submitted as {known}; nothing was sent.")
    elif submitted.problem:
        if any(batch.remote_id for batch in batches):
            _print_outcome(batches)
            print_stderr(submitted.problem)
        else:
            print_stderr(f"Stored {pluralize(taken.request_count, 'request')}. {submitted.problem}")
        return Exit.ATTENTION
    else:
        return _print_outcome(batches)
    return Exit.DONE


def _print_outcome(batches: Sequence[Batch]) -> Exit:
    """How many requests went into batches, and how many ran at full price."""
    sent = [batch for batch in batches if batch.kind is BatchKind.BATCH and batch.remote_id]
    if sent:
        requests = pluralize(sum(batch.request_count for batch in sent), "request")
        print_stderr(f"Sent {requests} in {pluralize(len(sent), 'batch', 'batches')}.")
    at_once = sum(batch.request_count for batch in batches if batch.kind is BatchKind.SYNC)
    if at_once:
        requests = pluralize(at_once, "request")
        print_stderr(f"Ran {requests} synchronously at full price: the API accepted no batch.")
    if not sent and not at_once:
        requests = pluralize(sum(batch.request_count for batch in batches), "request")
        print_stderr(f"Stored {requests}; another process is sending them.")
    failed = sum(batch.counts.errored for batch in batches if batch.kind is BatchKind.SYNC)
    if failed:
        print_stderr(f"{pluralize(failed, 'request')} failed; see `titan-console errors`.")
    return Exit.ATTENTION if failed else Exit.DONE


def read_schema(file: IO[bytes]) -> dict[str, object]:
    """The schema in the file. Raises PayloadError where it is not a JSON object."""
    try:
        return msgspec.json.decode(file.read().removeprefix(BOM_UTF8), type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"{file.name} is not a JSON Schema: {error}."
        raise PayloadError(message, code="schema_invalid") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--deadline {text!r} is not a date and time with a zone, such as"
            " 2026-05-02T06:00+02:00"
        ) from None
    if moment.tzinfo is None:
        raise click.UsageError(
            f"--deadline {text!r} has no time zone; write it as in 2026-05-02T06:00+02:00, or with"
            " Z for UTC"
        )
    return moment
