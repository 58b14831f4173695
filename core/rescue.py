"""What becomes of a submission while the ledger cannot be used, and how it comes in later."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core import titan_file
from core.answers import Result, to_result
from core.clock import Clock
from core.context import Context
from core.errors import NeverBatched, PayloadError
from core.inline import Run
from core.lane import Lane
from core.payload import Limits, Line, check_tag, to_line, workflow_and_date
from core.pricing import PriceBook
from core.result_line import BadLineError, decode
from core.submit import Order
from state import inline, rescue_file, rescues, submissions
from state.errors import LedgerError, LedgerUnusable
from state.folder import Folder, make_private, open_private, replace
from state.records import (
    CollectedResult,
    Counts,
    Kind,
    NewSubmission,
    OnFailure,
    Outcome,
    RequestStatus,
    SpooledRequest,
    Usage,
)
from state.rescue_file import Header, RescueFile
from state.spool import SpoolWriter
from state.timestamps import from_text, to_text
from state.views import ResultRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Rescued:
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
    order: Order,
    *,
    clock: Clock,
    actor: str,
    error: LedgerError,
) -> Rescued:
    """Write the requests into a rescue file, in the first place that takes one.

    Raises PayloadError as `submit` does, and the ledger's own error where no place takes it.
    """
    check_tag(order.tag)
    lines = list(_checked(requests, order))
    if not lines:
        raise PayloadError("There is nothing to submit: the list of requests is empty.") from error
    header = _header(lines, order, to_text(clock.now()), actor, str(error))
    _refuse_never_batched(folder, (order.job, header.workflow, lines[0].custom_id, order.tag))
    for place in rescue_file.places(folder):
        try:
            file, is_new = rescue_file.write(place, header, (line.body for line in lines))
        except OSError:
            continue
        twins = [twin for twin in rescue_file.waiting(folder) if twin.key == file.key]
        if is_new and (not rescue_file.is_ours(place) or len(twins) > 1):
            # A folder that others may write, or a call that lies in another place already.
            file.path.unlink(missing_ok=True)
            twins = [twin for twin in twins if twin != file]
        if twins:
            return Rescued(file=twins[0], is_new=is_new and twins[0] == file)
    raise error


def answer(file: RescueFile, lane: Lane, clock: Clock) -> str | None:
    """Answer its requests at once, into the file; in words, why some were not asked."""
    with file.held() as is_held:
        if not is_held:
            return "Another process answers it."
        betas = tuple(filter(None, file.header().betas.split(",")))
        run = Run(lane, clock, betas=betas)
        known = {custom_id for custom_id, _ in file.answers()}
        file.add_answers(
            run.answers(request for request in file.requests() if request[0] not in known)
        )
    return str(run.trouble) if run.trouble else None


def results(file: RescueFile) -> list[Result] | None:
    """What `poll_and_collect` gives before the ledger has it; None while an answer is lacking."""
    answers = dict(file.answers())
    header, prices = file.header(), PriceBook()
    found = [
        _result(file.key, header, custom_id, answers.get(custom_id), prices)
        for custom_id, _ in file.requests()
    ]
    return None if any(result["outcome"] is None for result in found) else found


def take_in_all(context: Context) -> list[str]:
    """Take in every rescue file that nobody works on; in words, what could not be."""
    troubles: list[str] = []
    for file in rescue_file.waiting(context.folder):
        with file.held() as is_held:
            if not is_held:
                continue
            try:
                _take_in(context, file)
            except (LedgerUnusable, OSError) as error:
                troubles.append(f"The rescue file {file.path} stays: {error}")
            except (LedgerError, PayloadError) as error:
                troubles.append(f"{file.path} cannot be taken in: {error}")
    return troubles


def _take_in(context: Context, file: RescueFile) -> None:
    if file.path.exists() and not rescues.is_in(context.ledger, file.key):
        header = file.header()
        spool = _spool(context, file, header)
        try:
            counts = _stage_answers(context, file)
            submission = rescues.take_in(
                context.ledger,
                _new_submission(file, header, spool.path.name),
                counts,
                place=lambda batch_key: _place(context, file, batch_key),
            )
        except Exception:
            spool.discard()
            raise
        if submission.key != file.key:
            spool.discard()
        context.ledger.step("rescue:remove")
    file.path.unlink(missing_ok=True)


def _spool(context: Context, file: RescueFile, header: Header) -> SpoolWriter:
    spool = SpoolWriter(context.folder.spool, f"{file.key}.jsonl", step=context.ledger.step)
    submissions.stage(context.ledger, _spooled(file, header, spool))
    spool.finish()
    return spool


def _spooled(file: RescueFile, header: Header, spool: SpoolWriter) -> Iterator[SpooledRequest]:
    for custom_id, line in file.requests():
        yield SpooledRequest(
            custom_id=custom_id,
            offset=spool.write(line),
            length=len(line),
            sha256=hashlib.sha256(line).digest(),
            part=0,
            betas=header.betas,
        )


def _stage_answers(context: Context, file: RescueFile) -> Counts:
    outcomes: dict[str, Outcome] = {}
    for custom_id, line in file.answers():
        found = _decoded(line)
        if found is not None:
            outcomes[custom_id] = found.outcome
    inline.stage_answered(context.ledger, outcomes)
    succeeded = sum(outcome == Outcome.SUCCEEDED for outcome in outcomes.values())
    return Counts(succeeded=succeeded, errored=len(outcomes) - succeeded)


def _place(context: Context, file: RescueFile, batch_key: str) -> None:
    """The answers lie where the run's answers are looked for, before the ledger says so."""
    target = inline.answers_file(context.folder, batch_key)
    make_private(target.parent)
    part = target.with_suffix(".answers.part")
    with open_private(part) as copy:
        for _, line in file.answers():
            copy.write(line + b"\n")
        copy.flush()
        inline.sync(copy)
    replace(part, target)


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


def _checked(requests: Iterable[object], order: Order) -> Iterator[Line]:
    seen: set[str] = set()
    for position, request in enumerate(requests, 1):
        line = to_line(
            request, position=position, model=order.model, betas=order.betas, limits=Limits()
        )
        if line.custom_id in seen:
            raise PayloadError(f"custom_id {line.custom_id!r} comes twice.")
        seen.add(line.custom_id)
        yield line


def _refuse_never_batched(folder: Folder, names: tuple[str | None, ...]) -> None:
    found = titan_file.read(folder).never_batch.reason_for(names)
    if found:
        raise NeverBatched(f"{found[0]!r} is never batched: {found[1]}. Call the API directly.")


def _header(lines: list[Line], order: Order, now: str, actor: str, error: str) -> Header:
    workflow, date = workflow_and_date(lines[0].custom_id, order.tag, now[:10])
    return Header(
        tag=order.tag,
        workflow=order.workflow or workflow,
        model=order.model,
        work_date=date,
        on_failure=order.on_failure.value,
        created_by=actor,
        created_ts=now,
        job=order.job,
        deadline_ts=to_text(order.deadline) if order.deadline else None,
        betas=",".join(order.betas),
        error=error,
        requests=len(lines),
    )


def _result(
    key: str, header: Header, custom_id: str, line: bytes | None, prices: PriceBook
) -> Result:
    found = _decoded(line) if line else None
    cost = 0
    if found and found.outcome == Outcome.SUCCEEDED:
        at = from_text(header.created_ts)
        cost, _ = prices.price(found.model or header.model, found.usage, at=at, kind=Kind.SYNC)
    row = ResultRow(
        request_id=0,
        custom_id=custom_id,
        tag=header.tag,
        status=RequestStatus.WAITING,
        batch_key=key if found else None,
        outcome=found.outcome if found else None,
        error_type=found.error_type if found else None,
        error_message=found.error_message if found else None,
        stop_reason=found.stop_reason if found else None,
        model=found.model if found else None,
        usage=found.usage if found else Usage(),
        cost_nano=cost if found else None,
        result_offset=None,
        result_length=None,
    )
    return to_result(row, line if found else None)


def _decoded(line: bytes) -> CollectedResult | None:
    try:
        return decode(line)
    except BadLineError:
        return None
