"""Keeps submissions in fallback files while the ledger cannot be used, and imports them later."""

import platform
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from core.api.protocol import BatchApi
from core.batches import account_check
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated, update_mirrors
from core.batches.synchronous.graceful_shutdown import stop_on_signal
from core.batches.synchronous.parallel_calls import ParallelCalls, unwritten_calls
from core.batches.synchronous.sync_run import BATCH_ONLY, possible_duplicate_charge
from core.clock import Clock
from core.config import titan_file
from core.config.lanes import Lane
from core.config.titan_tables import TitanToml
from core.errors import OverBudget, SettingsError
from core.intake.fallback_budget import admit_run
from core.intake.fallback_contents import decoded_answers
from core.intake.options import ResolvedOptions, SubmitOptions, resolve_options
from core.intake.submit import checked_lines, store
from core.money.budgets import CostSums, Used, check
from core.money.pricing import PriceBook
from core.requests.model_limits import EXTENDED_OUTPUT_BETA, needs_batch
from core.requests.payload import Line, parse_line
from core.requests.supported_schema import as_sent
from state.batches import submissions, sync_runs
from state.db.ledger import Transaction
from state.db.opening import open_reader
from state.files import fallback_file
from state.files.answers_file import answers_file
from state.files.fallback_file import FallbackFile, Header
from state.files.folder import Folder, make_private, new_file
from state.files.folder import replace as rename_to
from state.files.unused_results import remove_copies
from state.model.errors import LedgerError
from state.model.records import (
    Counts,
    FollowUps,
    NewSubmission,
    OnFailure,
    OnMaxTokens,
    Outcome,
    Submission,
)
from state.model.timestamps import to_text
from state.recovery import fallback_import


def save(
    folder: Folder,
    requests: Iterable[object],
    options: SubmitOptions,
    *,
    clock: Clock,
    actor: str,
    error: LedgerError,
) -> FallbackFile:
    """Write the requests to a fallback file, in the first directory that can be written.

    The same call made again returns the same file. Raises PayloadError as `submit` does, and
    `error` itself where no directory can be written.
    """
    # Fallback files may be all that works here: mistakes in titan.toml are checked on import.
    found, now = titan_file.read(folder), clock.now()
    rules = replace(found, problems=(), lanes={**_unread_lane(found, options), **found.lanes})
    resolved, requests = resolve_options(options, requests, rules, now=now)
    limits = rules.limits.limits()
    if resolved.lane in rules.lanes:
        limits = rules.lanes[resolved.lane].limits(limits)
    lines = list(checked_lines(requests, resolved, limits))
    _check_limits(rules, resolved, lines, now)
    header = _header(resolved, to_text(now), actor, str(error), len(lines))
    home = f"{platform.node()}\n{folder.root.absolute()}" if folder.ledger_url else ""
    for directory in fallback_file.directories(folder):
        try:
            bodies = (line.body for line in lines)
            file, is_new = fallback_file.write(directory, header, bodies, home=home)
        except OSError:
            continue
        same = [found for found in fallback_file.pending(folder) if found.key == file.key]
        if is_new and (not fallback_file.is_private(directory) or len(same) > 1):
            # Others may write this folder, or the call is kept in another directory already.
            file.path.unlink(missing_ok=True)
            same = [found for found in same if found != file]
        if same:
            return same[0]
    raise error


def _unread_lane(found: TitanToml, options: SubmitOptions) -> dict[str, Lane]:
    """The lane of the call, where a mistake in titan.toml may hide it."""
    return {options.lane: Lane(name=options.lane)} if found.problems and options.lane else {}


def run_sync(
    folder: Folder, file: FallbackFile, api: BatchApi, clock: Clock, *, server: str = ""
) -> str | None:
    """Run its requests now and write the answers into the file; returns why some were not run.

    Raises SettingsError where `server` is not that of the unfinished batches, as far as the ledger
    can be read.
    """
    _check_server(folder, api, clock, server, file.header().lane)
    with file.try_lock() as is_locked:
        if not is_locked:
            return "Another process is running its requests."
        # A poll that has imported the file would not look at answers that are added now.
        if _was_imported(folder, file):
            return "A poll has imported its requests."
        header = file.header()
        unwritten, betas = unwritten_calls(file), _betas(header)
        try:
            admit_run(folder, file, betas, clock.now())
        except (OverBudget, SettingsError) as error:
            return f"Its requests wait for a poll. {error}"
        run = ParallelCalls(api, clock, betas=tuple(b for b in betas if b != EXTENDED_OUTPUT_BETA))
        known = {custom_id for custom_id, _ in file.answers()}
        left = 0

        def unanswered() -> Iterator[tuple[str, bytes]]:
            nonlocal left
            for custom_id, line in file.requests():
                if needs_batch(parse_line(line, betas=betas).betas, len(line)):
                    left += 1
                elif custom_id not in known:
                    yield custom_id, as_sent(line)

        with stop_on_signal(run.stop):
            file.add_answers(run.results(unanswered()))
    problems = [possible_duplicate_charge(unwritten)] if unwritten else []
    problems += [str(run.problem)] if run.problem else [f"{BATCH_ONLY}."] if left else []
    return " ".join(problems) or None


def _check_server(folder: Folder, api: BatchApi, clock: Clock, server: str, lane: str) -> None:
    rules = titan_file.read(folder)
    same = rules.lanes[lane].same_server if lane in rules.lanes else rules.api.same_server
    used = account_check.Server(server, same, lane)
    with suppress(LedgerError), open_reader(folder) as reader:
        account_check.check_server(reader, used, lambda: api, clock.now())


def _was_imported(folder: Folder, file: FallbackFile) -> bool:
    """Whether the file is in the ledger, as far as that can be read, or gone."""
    if not file.is_there:
        return True
    try:
        with open_reader(folder) as reader:
            return fallback_import.is_imported(reader, file.key)
    except LedgerError:
        return False


def import_all(context: Context) -> list[str]:
    """Import every fallback file that no other process works on; returns the problems."""
    problems: list[str] = []
    pending = fallback_file.pending(context.folder)
    rules = titan_file.read(context.folder) if pending else TitanToml()
    for file in context.time.items("import fallback files", pending, lambda file: file.key):
        with (
            isolated(context, f"Cannot import the fallback file {file.path}", problems),
            file.try_lock() as is_locked,
        ):
            problems += _import_locked(context, file, rules) if is_locked else []
    return problems


def _import_locked(context: Context, file: FallbackFile, rules: TitanToml) -> list[str]:
    try:
        unwritten = _import(context, file, rules)
    except (OverBudget, SettingsError) as error:
        # They wait for an operator, who may raise the budget or fix titan.toml.
        return [f"The fallback file {file.path} is kept for the next poll: {error}"]
    problems = [f"{file.key}: {possible_duplicate_charge(unwritten)}"] if unwritten else []
    return problems + _remove(context, file)


def _import(context: Context, file: FallbackFile, rules: TitanToml) -> int:
    """Store its requests as `submit` does, and its answers as paid attempts.

    Returns how many calls may have been paid for without an answer in the file.
    """
    unwritten = 0
    if file.is_there and not fallback_import.is_imported(context.ledger, file.key):
        header = file.header()
        unwritten = unwritten_calls(file)
        answers = {key: found.outcome for key, (found, _) in decoded_answers(file).items()}
        copy = _copy_answers(context, file) if answers else None

        def record(tx: Transaction, submission: Submission, is_new: bool) -> None:
            run = fallback_import.record(
                context.ledger,
                tx,
                submission,
                file.key,
                answers,
                _counts(answers.values()),
                is_new=is_new,
                unwritten=unwritten,
            )
            if run and copy:
                _name_answers(context, copy, run)

        betas = _betas(header)
        lines = (parse_line(body, betas=betas) for _, body in file.requests())
        new = _new_submission(file.key, header)
        try:
            store(context.on(new.lane), lines, new, rules, answered=answers, after=record)
        finally:
            if copy:
                copy.unlink(missing_ok=True)
                context.ledger.files.discard(copy)
    return unwritten


def _remove(context: Context, file: FallbackFile) -> list[str]:
    """Remove an imported file once another file has its key; returns why the mirror has not.

    Where its requests were known, only the mirror has it, with the batches of the submission. One
    that has no batch yet leaves the file to a later poll. A ledger that hosts share is not rebuilt
    from files.
    """
    problems = update_mirrors(context) if file.is_there else []
    is_shared = context.ledger.is_shared
    if not problems and (is_shared or fallback_import.is_named(context.ledger, file.key)):
        _remove_leftovers(context, file)
        context.ledger.crash_point("fallback:remove")
        file.path.unlink(missing_ok=True)
    return problems


def _remove_leftovers(context: Context, file: FallbackFile) -> None:
    """Where another submission got the requests: remove what an import that was killed left.

    A rebuild would make a second submission of it, with the same paid answers.
    """
    ledger, folder = context.ledger, context.folder
    if fallback_import.is_imported(ledger, file.key) and not submissions.is_known(ledger, file.key):
        answers_file(folder, file.key).unlink(missing_ok=True)
        (folder.spool / f"{file.key}.jsonl").unlink(missing_ok=True)


def _copy_answers(context: Context, file: FallbackFile) -> Path:
    """Copy the answers beside those of synchronous runs, before the transaction."""
    make_private(context.folder.results)
    # Named after the file, so that the import after a kill replaces it.
    part = context.folder.results / f"{file.key}.answers.part"
    with new_file(part) as copy:
        for _, line in file.answers():
            copy.write(line + b"\n")
        copy.flush()
        sync_runs.fsync(copy)
    context.ledger.files.upload(part)
    return part


def _name_answers(context: Context, copy: Path, run: str) -> None:
    """Put the copy where the answers of the run are collected from, before the commit.

    Of a store that hosts share they are fetched: a name on this disk could become that of a batch
    of another host, should the commit fail.
    """
    target = answers_file(context.folder, run)
    context.ledger.files.keep(copy, under=target)
    if not context.ledger.files.is_shared:
        rename_to(copy, target)
        remove_copies(context.folder, run)


def _counts(outcomes: Iterable[Outcome]) -> Counts:
    found = list(outcomes)
    succeeded = found.count(Outcome.SUCCEEDED)
    return Counts(succeeded=succeeded, errored=len(found) - succeeded)


def _betas(header: Header) -> tuple[str, ...]:
    """Those of the call; what each request is sent with follows from them."""
    return tuple(filter(None, header.betas.split(",")))


def _new_submission(key: str, header: Header) -> NewSubmission:
    return NewSubmission(
        key=key,
        tag=header.tag,
        workflow=header.workflow,
        job=header.job,
        model=header.model,
        work_date=header.work_date,
        deadline_ts=header.deadline_ts,
        on_failure=OnFailure(header.on_failure),
        created_by=header.created_by,
        created_ts=header.created_ts,
        spool_file=f"{key}.jsonl",
        follow_ups=FollowUps(
            reask=header.reask,
            continue_turns=header.continue_turns,
            on_max_tokens=OnMaxTokens(header.on_max_tokens),
        ),
        lane=header.lane,
    )


def _check_limits(
    rules: TitanToml, resolved: ResolvedOptions, lines: Iterable[Line], now: datetime
) -> None:
    """Raise OverBudget where a budget is too small for the requests alone."""
    cap = rules.unbounded_nano(resolved.job)
    prices = PriceBook.of_rules(rules).of(resolved.lane)
    sums = CostSums.begin(prices, now, unbounded_nano=cap)
    for line in lines:
        sums.add(line)
    wanted = [sums.wanted(resolved.workflow, resolved.tag)]
    check(rules.budgets, wanted, lambda _scope: Used(0), day=now.date().isoformat())


def _header(resolved: ResolvedOptions, now: str, actor: str, error: str, count: int) -> Header:
    return Header(
        tag=resolved.tag,
        workflow=resolved.workflow,
        model=resolved.model,
        work_date=resolved.work_date,
        on_failure=resolved.on_failure.value,
        created_by=actor,
        created_ts=now,
        job=resolved.job,
        deadline_ts=resolved.deadline_ts,
        betas=",".join(resolved.betas),
        error=error,
        requests=count,
        reask=resolved.follow_ups.reask,
        continue_turns=resolved.follow_ups.continue_turns,
        on_max_tokens=resolved.follow_ups.on_max_tokens.value,
        lane=resolved.lane,
    )
