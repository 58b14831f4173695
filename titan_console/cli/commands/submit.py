"""`titan-console submit`: a JSONL file of requests into the ledger and to the API."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click
import msgspec
from msgspec import Struct

from core.bootstrap import open_engine
from core.config.job import DEFAULT_MODEL
from core.config.settings import from_environment
from core.errors import PayloadError
from core.intake.options import SubmitOptions
from core.intake.submit import SubmitResult
from core.requests.cache_control import CachePolicy
from core.text import pluralize
from state.model.errors import AlreadySubmitted, LedgerError, LedgerUnusable
from state.model.records import Batch, Kind, OnFailure
from state.queries.batch_list import batches_of
from titan_console.cli import progress
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.dry_run import show_plan
from titan_console.cli.output import print_json
from titan_console.text import format as cells


class SubmitReport(Struct, frozen=True, kw_only=True):
    """A submission as JSON. `trouble` is the old name of `problem`, kept for one release."""

    batch_id: str
    tag: str
    workflow: str
    job: str | None
    model: str
    deadline_ts: str | None
    on_failure: OnFailure
    request_count: int
    batches: int
    repeated: bool
    problem: str | None
    trouble: str | None
    warnings: list[str]


@click.command
@click.argument("file", type=click.File("rb"))
@click.option("--tag", help="What the submission is called. Default: the file's name.")
@click.option("--job", help="The job of titan.toml. Default: the one that the workflow names.")
@click.option("--model", help=f"For requests that name none. Default: the job's, {DEFAULT_MODEL}.")
@click.option("--workflow", help="Default: from the custom_ids, else the tag.")
@click.option(
    "--deadline",
    help="When the results are needed, as 2026-05-02T06:00+02:00. Default: the job's, none.",
)
@click.option(
    "--beta",
    "betas",
    multiple=True,
    help="A beta header for the batch; repeatable. Default: the job's.",
)
@click.option(
    "--on-failure",
    type=click.Choice([policy.value for policy in OnFailure]),
    help="What to do with what surely cannot be sent: keep it, or answer it at the full price."
    " Default: the job's, queue.",
)
@click.option(
    "--cache",
    type=click.Choice([policy.value for policy in CachePolicy]),
    help="Which cache_control to take: none, 1h, or upgrade those of 5 minutes to 1h."
    " Default: the job's, 1h.",
)
@click.option("--dry-run", is_flag=True, help="Only show the plan: batches, bytes, money.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON.")
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
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take requests in from FILE (- is standard input) and send them as batches.

    One request a line: {"custom_id", "messages", "max_tokens", ...}, or the API's own
    {"custom_id", "params"}. The same file submitted again sends nothing. Prints the key.

    Where the workflow is a job of titan.toml, what that says holds for all that is not given here.
    """
    options = SubmitOptions(
        tag=_tag_of(file.name) if tag is None else tag,
        model=model,
        workflow=workflow,
        job=job,
        deadline=_moment(deadline) if deadline else None,
        betas=betas or None,
        on_failure=OnFailure(on_failure) if on_failure else None,
        cache=CachePolicy(cache) if cache else None,
    )
    if dry_run:
        show_plan(_requests(file), options, as_json=as_json)
        return
    with progress.shown() as bar:
        with _nothing_sent():
            engine = open_engine(from_environment(), actor="cli", progress=bar)
        with engine:
            with _nothing_sent():
                submitted = engine.submit(_requests(file), options)
            batches = batches_of(engine.context.ledger, submitted.submission)
    ctx.exit(_report(submitted, batches, as_json=as_json))


@contextmanager
def _nothing_sent() -> Generator[None, None, None]:
    """Say of a broken ledger that the input was not stored; no fallback file is written here."""
    try:
        yield
    except AlreadySubmitted:
        raise
    except LedgerError as error:
        raise LedgerUnusable(f"{error} Nothing was sent; submit it again then.") from error


def _report(submitted: SubmitResult, batches: Sequence[Batch], *, as_json: bool) -> int:
    taken = submitted.submission
    if as_json:
        print_json(
            SubmitReport(
                batch_id=taken.key,
                tag=taken.tag,
                workflow=taken.workflow,
                job=taken.job,
                model=taken.model,
                deadline_ts=taken.deadline_ts,
                on_failure=taken.on_failure,
                request_count=taken.request_count,
                batches=len(batches),
                repeated=submitted.repeated,
                problem=submitted.problem,
                trouble=submitted.problem,
                warnings=list(submitted.warnings),
            )
        )
    else:
        click.echo(taken.key)
    for warning in submitted.warnings:
        say(f"titan-console: {warning}")
    if taken.deadline_ts:
        of = f" for job {taken.job}" if taken.job else ""
        say(f"Due {cells.moment(taken.deadline_ts)}{of}.")
    if submitted.repeated:
        say("The same requests are in it already; nothing was sent.")
    elif submitted.problem:
        say(f"Taken in, {pluralize(taken.request_count, 'request')}. {submitted.problem}")
        return Exit.ATTENTION
    else:
        return _say_how_it_went(batches)
    return Exit.DONE


def _say_how_it_went(batches: Sequence[Batch]) -> Exit:
    """What batches took in, and apart from it what costs the full price."""
    sent = [batch for batch in batches if batch.kind is Kind.BATCH and batch.remote_id]
    if sent:
        many = f"{len(sent):,} {'batch' if len(sent) == 1 else 'batches'}"
        say(f"Sent {pluralize(sum(batch.request_count for batch in sent), 'request')} in {many}.")
    at_once = sum(batch.request_count for batch in batches if batch.kind is Kind.SYNC)
    if at_once:
        what = f"Ran {pluralize(at_once, 'request')} synchronously, at the full price"
        say(f"{what}: no batch took them in.")
    failed = sum(batch.counts.errored for batch in batches if batch.kind is Kind.SYNC)
    if failed:
        say(f"{pluralize(failed, 'request')} of these failed; `titan-console errors` says why.")
    return Exit.ATTENTION if failed else Exit.DONE


def _requests(file: IO[bytes]) -> Iterator[object]:
    """Each line's object; a line that is not JSON is named by its number."""
    for number, line in enumerate(file, 1):
        text = line.strip().removeprefix(b"\xef\xbb\xbf")
        if not text:
            continue
        try:
            yield msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PayloadError(f"Line {number} is not JSON: {error}.") from error


def _tag_of(name: str) -> str:
    if name == "<stdin>":
        raise click.UsageError("What comes from standard input needs a --tag.")
    return Path(name).stem


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--deadline {text!r} is no time; write it as 2026-05-02T06:00+02:00."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
