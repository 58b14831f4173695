"""Takes a batch in that the API has and the ledger does not: its results, and what it cost."""

import hashlib
import re
from collections.abc import Iterator

from msgspec import Struct

from core.api.line_splitter import split_lines
from core.api.result_schema import BadLineError, decode
from core.batches import account
from core.batches.collect import collect
from core.batches.context import Context
from core.batches.retry import with_retries
from core.errors import ApiError, InputError, NoResponse, NotFound
from core.requests.payload import CUSTOM_ID, check_tag, workflow_and_date
from state.batches import adoption, orphans, remote_status, submissions
from state.batches.sending import RemoteState
from state.files.spool import SpoolWriter
from state.model.records import Batch, BatchStatus, NewSubmission, SpooledRequest

_REMOTE_ID = re.compile(r"msgbatch_[A-Za-z0-9_]{1,80}")
_KEY_LENGTH = 10
UNKNOWN_MODEL = "unknown"


class Adopted(Struct, frozen=True, kw_only=True):
    """A batch that was taken in; `is_ours` when a nonce in its results said so."""

    batch: Batch
    is_ours: bool
    trouble: str | None


def adopt(context: Context, remote_id: str, *, tag: str | None = None) -> Adopted:
    """Take the batch in with its results.

    With a nonce of ours in the results it becomes the batch of its row, or a twin. Else it is a
    submission of its own under the tag, with requests made from the lines of its results: their
    ids as they came, their bodies unknown. Raises InputError where it cannot be adopted,
    AlreadySubmitted where the tag has its ids, SettingsError, ApiError.
    """
    check_tag(tag if tag is not None else "adopted")
    remote, whose = _look(context, remote_id)
    found = _Found(context, remote, tag or f"adopted-{remote_id}")
    ours = found.read()
    if ours is not None:
        found.discard()
        orphans.claim(context.ledger, adoption.mark_candidate(context.ledger, remote), remote, ours)
    else:
        found.take_in(whose)
    return _collected(context, remote, is_ours=ours is not None)


def _look(context: Context, remote_id: str) -> tuple[RemoteState, str | None]:
    """What the API says of it, and whose key this is."""
    if not _REMOTE_ID.fullmatch(remote_id):
        raise InputError(f"{remote_id!r:.100} is no id of a batch: those begin with msgbatch_.")
    known = adoption.known(context.ledger, remote_id)
    if known is not None:
        raise InputError(f"{remote_id} is known already: it is the batch {known.key}.")
    whose = account.fetch_and_check(context)
    try:
        remote = with_retries(context, lambda: context.api().retrieve(remote_id))
    except NotFound:
        raise InputError(
            f"The API knows no batch {remote_id}, or this key may not see it."
        ) from None
    if remote.status != BatchStatus.ENDED:
        raise InputError(f"{remote_id} has not ended yet; adopt it when it has.")
    return remote, whose


class _Found:
    """The requests of a batch as its results tell of them."""

    def __init__(self, context: Context, remote: RemoteState, tag: str) -> None:
        self._context = context
        self._remote = remote
        self._tag = tag
        self._key = f"tb_{context.ledger.word(_KEY_LENGTH)}"
        self._spool = SpoolWriter(
            context.folder.spool, f"{self._key}.jsonl", crash_point=context.ledger.crash_point
        )
        self._ours: Batch | None = None
        self._first = ""
        self._model: str | None = None
        self._ids: set[str] = set()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._spool.discard()

    def read(self) -> Batch | None:
        """Stage every request; the row of ours whose nonce the ids carry, if there is one."""
        try:
            with self._context.api().results(self._remote.remote_id) as pieces:
                submissions.stage(self._context.ledger, self._requests(pieces))
            self._check_whole()
            self._spool.finish()
        except BaseException:
            self._spool.discard()
            raise
        return self._ours

    def _check_whole(self) -> None:
        named, total = len(self._ids), self._remote.counts.total()
        if self._ours is None and named != total:
            raise NoResponse(
                f"The results name {named:,} of {total:,} requests; nothing was taken in."
                " Try again later."
            )

    def take_in(self, whose: str | None) -> None:
        """As a submission of its own."""
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
        )
        try:
            adoption.take_in(self._context.ledger, new, self._remote, whose)
        except Exception:
            self._spool.discard()
            raise

    def _requests(self, pieces: Iterator[bytes]) -> Iterator[SpooledRequest]:
        for line in split_lines(pieces):
            try:
                found = decode(line)
            except BadLineError:
                continue
            nonce = found.custom_id.rpartition("-")[2]
            if self._ours is None and len(nonce) == submissions.NONCE_LENGTH:
                self._ours = orphans.batch_of_nonce(self._context.ledger, nonce)
            if found.custom_id in self._ids or not CUSTOM_ID.fullmatch(found.custom_id):
                continue
            self._first = self._first or found.custom_id
            self._model = self._model or found.model
            self._ids.add(found.custom_id)
            yield self._spooled(found.custom_id)

    def _spooled(self, custom_id: str) -> SpooledRequest:
        body = b'{"custom_id":"%b","params":null}' % custom_id.encode()
        return SpooledRequest(
            custom_id=custom_id,
            offset=self._spool.write(body),
            length=len(body),
            sha256=hashlib.sha256(body).digest(),
            part=0,
        )


def _collected(context: Context, remote: RemoteState, *, is_ours: bool) -> Adopted:
    """Fetch its results as those of any other; what does not come now, the next poll fetches."""
    batch = adoption.known(context.ledger, remote.remote_id)
    if batch is None:
        raise InputError(f"{remote.remote_id} was decided on by another process meanwhile.")
    batch = remote_status.record_status(context.ledger, batch, remote)
    trouble = None
    try:
        got = collect(context, batch)
        if got is None or not got.complete:
            trouble = "Its results are not whole yet; the next poll asks again."
    except ApiError as error:
        trouble = str(error)
    batch = adoption.known(context.ledger, remote.remote_id) or batch
    return Adopted(batch=batch, is_ours=is_ours, trouble=trouble)
