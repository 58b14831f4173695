"""What becomes of a submission while the ledger cannot be used, and how it comes in later."""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from core.api.protocol import BatchApi
from core.api.result_schema import BadLineError, decode
from core.batches.context import Context
from core.batches.graceful_shutdown import stop_on_signal
from core.batches.sync_fallback import BATCH_ONLY, may_be_paid
from core.batches.sync_runner import MOST_UNWRITTEN, Run
from core.clock import Clock
from core.config import titan_file
from core.config.catalogue import Catalogue
from core.errors import OverBudget, PayloadError, SettingsError
from core.intake.options import ResolvedOptions, SubmitOptions, check_configuration, resolve_options
from core.intake.submit import begin_estimate, check_budgets, reserve
from core.money.budgets import check
from core.money.estimate import Estimate
from core.money.pricing import PriceBook
from core.requests.models import EXTENDED_OUTPUT_BETA, needs_batch
from core.requests.payload import Limits, Line, parse_line, to_line
from state.batches import submissions, sync_runs
from state.files import fallback_file
from state.files.fallback_file import Header, RescueFile
from state.files.folder import Folder, make_private, open_private
from state.files.folder import replace as put_in_place
from state.files.spool import SpoolWriter
from state.model.errors import LedgerError, LedgerUnusable
from state.model.records import (
    CollectedResult,
    Counts,
    NewSubmission,
    OnFailure,
    Outcome,
    SpooledRequest,
)
from state.model.timestamps import to_text
from state.recovery import fallback_import


class Rescued(Struct, frozen=True, kw_only=True):
    """Where a submission lies that the ledger could not take in, and what it still lacks."""

    file: RescueFile
    is_new: bool
    trouble: str | None = None

    @property
    def key(self) -> str:
        """The key of the submission, in the ledger too once it is in."""
        return self.file.key


def keep(
    folder: Folder,
    requests: Iterable[object],
    options: SubmitOptions,
    *,
    clock: Clock,
    actor: str,
    error: LedgerError,
) -> Rescued:
    """Write the requests into a rescue file, in the first place that takes one.

    Raises PayloadError as `submit` does, and the ledger's own error where no place takes it.
    """
    # Where the folder is broken no file in it can be read; the poll that takes this in can.
    rules, now = replace(titan_file.read(folder), mistakes=()), clock.now()
    resolved, requests = resolve_options(options, requests, rules, now=now)
    lines = list(_checked(requests, resolved))
    if not lines:
        raise PayloadError("There is nothing to submit: the list of requests is empty.") from error
    _refuse_what_never_fits(rules, resolved, lines, Estimate.begin(PriceBook(rules.prices), now))
    header = _header(lines, resolved, to_text(now), actor, str(error))
    for place in fallback_file.places(folder):
        try:
            file, is_new = fallback_file.write(place, header, (line.body for line in lines))
        except OSError:
            continue
        twins = [twin for twin in fallback_file.waiting(folder) if twin.key == file.key]
        if is_new and (not fallback_file.is_ours(place) or len(twins) > 1):
            # A folder that others may write, or a call that lies in another place already.
            file.path.unlink(missing_ok=True)
            twins = [twin for twin in twins if twin != file]
        if twins:
            return Rescued(file=twins[0], is_new=is_new and twins[0] == file)
    raise error


def answer(file: RescueFile, api: BatchApi, clock: Clock) -> str | None:
    """Answer its requests at once, into the file; in words, why some were not asked."""
    with file.held() as is_held:
        if not is_held:
            return "Another process answers it."
        header = file.header()
        unwritten, betas = _unwritten(file, header), _betas(header)
        run = Run(api, clock, betas=tuple(b for b in betas if b != EXTENDED_OUTPUT_BETA))
        known = {custom_id for custom_id, _ in file.answers()}
        left = 0

        def asked() -> Iterator[tuple[str, bytes]]:
            nonlocal left
            for custom_id, line in file.requests():
                if needs_batch(parse_line(line, betas=betas).betas):
                    left += 1
                elif custom_id not in known:
                    yield custom_id, line

        with stop_on_signal(run.stop):
            file.add_answers(run.answers(asked()))
    problems = [may_be_paid(unwritten)] if unwritten else []
    problems += [str(run.trouble)] if run.trouble else [f"{BATCH_ONLY}."] if left else []
    return " ".join(problems) or None


def take_in_all(context: Context) -> list[str]:
    """Take in every rescue file that nobody works on; in words, what could not be."""
    problems: list[str] = []
    waiting = fallback_file.waiting(context.folder)
    rules = titan_file.read(context.folder) if waiting else Catalogue()
    for file in waiting:
        with file.held() as is_held:
            if not is_held:
                continue
            try:
                unwritten = _take_in(context, file, rules)
                if unwritten:
                    problems.append(f"{file.key}: {may_be_paid(unwritten)}")
            except (LedgerUnusable, OSError, OverBudget, SettingsError) as error:
                problems.append(f"The rescue file {file.path} stays: {error}")
            except (LedgerError, PayloadError) as error:
                problems.append(f"{file.path} cannot be taken in: {error}")
    return problems


def _take_in(context: Context, file: RescueFile, rules: Catalogue) -> int:
    """How many of its calls at most were paid without an answer."""
    unwritten = 0
    if file.path.exists() and not fallback_import.is_in(context.ledger, file.key):
        header = file.header()
        estimate = begin_estimate(context, rules)
        spool = _spool(context, file, header, estimate)
        try:
            counts = _stage_answers(context, file)
            unwritten = _unwritten(file, header)
            new = _new_submission(file, header, spool.path.name)
            submission = fallback_import.take_in(
                context.ledger,
                new,
                counts,
                place=lambda batch_key: _place(context, file, batch_key),
                check_budgets=lambda: _check_budgets(context, rules, new, estimate),
                reserve=lambda taken: reserve(context, taken, estimate),
                unwritten=unwritten,
            )
        except Exception:
            spool.discard()
            raise
        if submission.key != file.key:
            spool.discard()
        context.ledger.crash_point("rescue:remove")
    file.path.unlink(missing_ok=True)
    return unwritten


def _check_budgets(
    context: Context, rules: Catalogue, new: NewSubmission, estimate: Estimate | None
) -> None:
    """Raises where a budget, or a mistake that may hide one, keeps it from being sent."""
    check_configuration(rules)
    check_budgets(context, rules, new, estimate)


def _spool(
    context: Context, file: RescueFile, header: Header, estimate: Estimate | None
) -> SpoolWriter:
    spool = SpoolWriter(
        context.folder.spool, f"{file.key}.jsonl", crash_point=context.ledger.crash_point
    )
    submissions.stage(context.ledger, _spooled(file, _betas(header), spool, estimate))
    spool.finish()
    return spool


def _spooled(
    file: RescueFile, betas: tuple[str, ...], spool: SpoolWriter, estimate: Estimate | None
) -> Iterator[SpooledRequest]:
    for custom_id, body in file.requests():
        line = parse_line(body, betas=betas)
        if estimate is not None:
            estimate.add(line)
        yield SpooledRequest(
            custom_id=custom_id,
            offset=spool.write(body),
            length=len(body),
            sha256=line.digest,
            part=0,
            betas=",".join(line.betas),
        )


def _unwritten(file: RescueFile, header: Header) -> int:
    """How many calls at most were paid for by processes that died before their answers."""
    return min(file.deaths() * MOST_UNWRITTEN, header.requests)


def _betas(header: Header) -> tuple[str, ...]:
    """Those of the call; what each request is sent with follows from them."""
    return tuple(filter(None, header.betas.split(",")))


def _stage_answers(context: Context, file: RescueFile) -> Counts:
    outcomes: dict[str, Outcome] = {}
    for custom_id, line in file.answers():
        found = _decoded(line)
        if found is not None:
            outcomes[custom_id] = found.outcome
    sync_runs.stage_answered(context.ledger, outcomes)
    succeeded = sum(outcome == Outcome.SUCCEEDED for outcome in outcomes.values())
    return Counts(succeeded=succeeded, errored=len(outcomes) - succeeded)


def _place(context: Context, file: RescueFile, batch_key: str) -> None:
    """The answers lie where the run's answers are looked for, before the ledger says so."""
    target = sync_runs.answers_file(context.folder, batch_key)
    make_private(target.parent)
    part = target.with_suffix(".answers.part")
    with open_private(part) as copy:
        for _, line in file.answers():
            copy.write(line + b"\n")
        copy.flush()
        sync_runs.sync(copy)
    put_in_place(part, target)


def _new_submission(file: RescueFile, header: Header, spool_file: str) -> NewSubmission:
    return NewSubmission(
        key=file.key,
        tag=header.tag,
        workflow=header.workflow,
        job=header.job,
        model=header.model,
        work_date=header.work_date,
        deadline_ts=header.deadline_ts,
        on_failure=OnFailure(header.on_failure),
        created_by=header.created_by,
        created_ts=header.created_ts,
        spool_file=spool_file,
    )


def _checked(requests: Iterable[object], resolved: ResolvedOptions) -> Iterator[Line]:
    seen: set[str] = set()
    for position, request in enumerate(requests, 1):
        line = to_line(
            request,
            position=position,
            model=resolved.model,
            betas=resolved.betas,
            limits=Limits(),
            cache=resolved.cache,
        )
        if line.custom_id in seen:
            raise PayloadError(f"custom_id {line.custom_id!r} comes twice.")
        seen.add(line.custom_id)
        yield line


def _refuse_what_never_fits(
    rules: Catalogue, resolved: ResolvedOptions, lines: Iterable[Line], estimate: Estimate
) -> None:
    """Raises OverBudget for what no budget would take, whatever is spent of it already."""
    for line in lines:
        estimate.add(line)
    limits = rules.budgets.limits_of(day="", workflow=resolved.workflow, tag=resolved.tag)
    check(limits, estimate, lambda _scope: 0)


def _header(
    lines: list[Line], resolved: ResolvedOptions, now: str, actor: str, error: str
) -> Header:
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
        requests=len(lines),
    )


def _decoded(line: bytes) -> CollectedResult | None:
    try:
        return decode(line)
    except BadLineError:
        return None
