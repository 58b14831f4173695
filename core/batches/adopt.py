"""Adopts a batch that the API has and the ledger does not: its results and its cost."""

import hashlib
import re
from collections.abc import Iterator

from msgspec import Struct

from core.api.call_limits import most_result_bytes, up_to
from core.api.line_splitter import split_lines
from core.api.result_schema import BadLineError, decode
from core.batches import account_check
from core.batches.collect import collect
from core.batches.engine_context import Context
from core.batches.read_retry import with_retries
from core.errors import ApiError, InputError, NoResponse, NotFound
from core.requests.payload import CUSTOM_ID, check_tag, workflow_and_date
from state.batches import adoption, batch_planning, orphans, remote_status, submissions
from state.batches.sending import RemoteState
from state.db.staged import Staged
from state.files.spool import SpoolWriter
from state.model.records import (
    DEFAULT_LANE,
    Batch,
    BatchStatus,
    NewSubmission,
    SpooledRequest,
    of_lane,
)

_REMOTE_ID = re.compile(r"msgbatch_[A-Za-z0-9_]{1,80}")
_KEY_LENGTH = 10
UNKNOWN_MODEL = "unknown"


class Adopted(Struct, frozen=True, kw_only=True):
    """An adopted batch; `is_own` where its results carry a nonce of this ledger."""

    batch: Batch
    is_own: bool
    problem: str | None


def adopt(
    context: Context, remote_id: str, *, tag: str | None = None, lane: str = DEFAULT_LANE
) -> Adopted:
    """Import the ended batch with its results.

    Where the results carry a nonce of this ledger, it becomes the batch of that create, or its
    duplicate. Otherwise it becomes a new submission under the tag, whose requests have the ids of
    the result lines and no bodies. Raises InputError where it cannot be adopted, AlreadySubmitted
    where the tag has these ids, SettingsError, ApiError.
    """
    check_tag(tag if tag is not None else "adopted")
    context = context.on(lane)
    with context.lane_errors():
        return _adopt(context, remote_id, tag)


def _adopt(context: Context, remote_id: str, tag: str | None) -> Adopted:
    remote, owner = _retrieve(context, remote_id)
    imported = _Import(context, remote, tag or f"adopted-{remote_id}")
    with submissions.staged(context.ledger) as staged:
        create = imported.read(staged)
        if create is not None:
            imported.discard()
            candidate = adoption.mark_candidate(context.ledger, remote, context.lane)
            orphans.link_to_batch(context.ledger, candidate, remote, create)
        else:
            imported.commit(staged, owner)
    return _collect(context, remote, is_own=create is not None)


def _retrieve(context: Context, remote_id: str) -> tuple[RemoteState, str | None]:
    """The batch as the API describes it, and the key's account."""
    if not _REMOTE_ID.fullmatch(remote_id):
        raise InputError(
            f"{remote_id!r:.100} is not an API batch id; these start with msgbatch_.",
            code="invalid_batch_id",
        )
    known = adoption.known(context.ledger, remote_id)
    if known is not None:
        raise InputError(
            f"{remote_id} is already in this ledger, as batch {known.key}{of_lane(known.lane)}.",
            code="batch_known",
        )
    owner = account_check.fetch_and_check(context)
    try:
        remote = with_retries(context, lambda: context.api().retrieve(remote_id))
    except NotFound:
        raise InputError(
            f"{remote_id} not found at the API{context.of_lane} with this API key.",
            code="batch_not_found",
        ) from None
    if remote.status != BatchStatus.ENDED:
        raise InputError(
            f"{remote_id} has not ended yet; adopt it after it has ended.", code="batch_not_ended"
        )
    return remote, owner


class _Import:
    """The requests of a batch, made from the lines of its results."""

    def __init__(self, context: Context, remote: RemoteState, tag: str) -> None:
        self._context = context
        self._remote = remote
        self._tag = tag
        self._key = f"tb_{context.ledger.new_id(_KEY_LENGTH)}"
        self._spool = SpoolWriter(
            context.folder.spool,
            f"{self._key}.jsonl",
            context.ledger.files,
            crash_point=context.ledger.crash_point,
        )
        self._create: Batch | None = None
        self._first = ""
        self._model: str | None = None
        self._ids: set[str] = set()

    def discard(self) -> None:
        """Remove the spool file."""
        self._spool.discard()

    def read(self, staged: Staged) -> Batch | None:
        """Stage every request; return the create of this ledger that has their nonce, if any."""
        try:
            with self._context.api().results(self._remote.remote_id) as pieces:
                staged.add_rows(self._requests(pieces))
            self._check_complete()
            self._spool.finish()
        except BaseException:
            self._spool.discard()
            raise
        return self._create

    def _check_complete(self) -> None:
        named, total = len(self._ids), self._remote.counts.total()
        if self._create is None and named != total:
            raise NoResponse(
                f"The results contain {named:,} of {total:,} requests; nothing was imported."
                " Try again later."
            )

    def commit(self, staged: Staged, owner: str | None) -> None:
        """Store the staged requests as a new submission with this batch."""
        now = self._context.ledger.now_text()
        workflow, date = workflow_and_date(self._first, self._tag, self._remote.created_ts[:10])
        new = NewSubmission(
            key=self._key,
            tag=self._tag,
            workflow=workflow,
            model=self._model or UNKNOWN_MODEL,
            work_date=date,
            created_by=self._context.ledger.actor,
            created_ts=now,
            spool_file=self._spool.path.name,
            lane=self._context.lane,
        )
        try:
            adoption.store(self._context.ledger, staged, new, self._remote, owner)
        except Exception:
            self._spool.discard()
            raise

    def _requests(self, pieces: Iterator[bytes]) -> Iterator[SpooledRequest]:
        most = most_result_bytes(self._remote.counts.total())
        for line in split_lines(up_to(pieces, most)):
            try:
                found = decode(line)
            except BadLineError:
                continue
            nonce = found.custom_id.rpartition("-")[2]
            if self._create is None and len(nonce) == batch_planning.NONCE_LENGTH:
                self._create = orphans.batch_of_nonce(self._context.ledger, nonce)
            if found.custom_id in self._ids or not CUSTOM_ID.fullmatch(found.custom_id):
                continue
            self._first = self._first or found.custom_id
            self._model = self._model or found.model
            self._ids.add(found.custom_id)
            yield self._spooled(found.custom_id, found.model)

    def _spooled(self, custom_id: str, model: str | None) -> SpooledRequest:
        body = b'{"custom_id":"%b","params":null}' % custom_id.encode()
        return SpooledRequest(
            custom_id=custom_id,
            offset=self._spool.write(body),
            length=len(body),
            sha256=hashlib.sha256(body).digest(),
            part=0,
            model=model,
        )


def _collect(context: Context, remote: RemoteState, *, is_own: bool) -> Adopted:
    """Collect the adopted batch; the next poll downloads results that are missing."""
    batch = adoption.known(context.ledger, remote.remote_id)
    if batch is None:
        raise InputError(
            f"Another process has already resolved {remote.remote_id}.", code="batch_resolved"
        )
    batch = remote_status.record_status(context.ledger, batch, remote)
    problem = None
    try:
        got = collect(context, batch)
        if got is None or not got.complete:
            problem = "Its results are incomplete; the next poll fetches the rest."
    except ApiError as error:
        problem = str(error)
    batch = adoption.known(context.ledger, remote.remote_id) or batch
    return Adopted(batch=batch, is_own=is_own, problem=problem)
