"""What a recording shows: the answers by step, parsed as the engine parses them. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from core.api.batch_schema import batch_of, page_of
from core.api.error_mapping import body_of, to_api_error
from core.api.exchanges import Answer, End, Exchange, Line, Run
from core.api.result_schema import BadLineError, decode
from core.errors import ApiError, NoResponse
from core.requests.json_access import as_dict, as_list, as_str
from state.batches.sending import RemoteState
from state.model.records import BatchStatus, CollectedResult
from state.model.timestamps import from_text
from titan_console.verify_api.plan import Plan

_OK = 200


class Evidence:
    """The exchanges of one run, and the batches they show."""

    def __init__(self, run: Run, lines: Sequence[Line] = ()) -> None:
        """Of a recording, complete or not."""
        self.run = run
        self.plan = Plan(run.model, run.nonce)
        self.exchanges: dict[str, Exchange] = {}
        self.is_complete = False
        # Number of requests -> the create of such a batch that got no answer.
        self.lost_sizes: dict[int, str] = {}
        # By id, of the batches that were not there before the run.
        self.first_listed: dict[str, str] = {}
        self._ended: dict[str, RemoteState] = {}
        self._by_size: dict[int, list[str]] = {}
        # Candidates for a create without an answer whose results are of another program.
        self._foreign: set[str] = set()
        self.counts_moved: dict[str, RemoteState] = {}
        for line in lines:
            if isinstance(line, Exchange):
                self.add(line)
            elif isinstance(line, End):
                self.is_complete = True

    def add(self, exchange: Exchange) -> None:
        """One more exchange, or its answer."""
        step = exchange.step
        is_known = step in self.exchanges and self.exchanges[step].answer is not None
        self.exchanges[step] = exchange
        if step.startswith(("list", "poll")) and not is_known:
            self._add_list(step)
        if step.startswith("results ") and " of " in step and not self._is_own(step):
            self._foreign.add(step.rpartition(" of ")[2])

    def _is_own(self, step: str) -> bool:
        """Whether the results are of this run, or not there yet."""
        found = self.answer(step)
        return found is None or found.status != _OK or '"custom_id"' in found.body

    def _add_list(self, step: str) -> None:
        before = {batch.remote_id for batch in self.page("list before") or ()}
        for batch in self.page(step) or ():
            if step == "list before" or batch.remote_id in before:
                continue
            self.first_listed.setdefault(batch.remote_id, step)
            same_size = self._by_size.setdefault(batch.counts.total(), [])
            if batch.remote_id not in same_size:
                same_size.append(batch.remote_id)
            if batch.status == BatchStatus.ENDED:
                self._ended.setdefault(batch.remote_id, batch)
            elif batch.counts.total() != batch.counts.processing:
                self.counts_moved.setdefault(batch.remote_id, batch)

    def answer(self, step: str) -> Answer | None:
        """The answer of a step; None where it was not reached."""
        found = self.exchanges.get(step)
        return found and found.answer

    def at(self, step: str) -> datetime:
        """When a step was answered."""
        return from_text(self.exchanges[step].at)

    def error(self, step: str) -> ApiError | None:
        """The error of a step as the engine maps it; None for a success or no answer."""
        found = self.answer(step)
        if found is None or found.failure or found.status < 300:  # noqa: PLR2004 - a success
            return None
        return to_api_error(found.status, body_of(found.raw), found.headers)

    def batch(self, step: str) -> RemoteState | None:
        """The batch in an answer; None unless there is a valid one."""
        found = self.answer(step)
        if found is None or found.status != _OK:
            return None
        try:
            return batch_of(found.raw)
        except NoResponse:
            return None

    def page(self, step: str) -> Sequence[RemoteState] | None:
        """The batches of a list; None unless it is one."""
        found = self.answer(step)
        if found is None or found.status != _OK:
            return None
        try:
            return page_of(found.raw).batches
        except NoResponse:
            return None

    def fields(self, step: str) -> dict[str, object]:
        """The JSON object of an answer; empty for anything else."""
        found = self.answer(step)
        return as_dict(body_of(found.raw)) if found else {}

    def created_id(self, name: str) -> str | None:
        """The id of a batch of the plan in the answer to its create."""
        created = self.fields(f"create {name}")
        is_batch = as_str(created.get("type")) == "message_batch"
        return as_str(created.get("id")) or None if is_batch else None

    def id_of(self, name: str) -> str | None:
        """The id of a batch of the plan: as created, or after a lost answer a listed candidate."""
        if created := self.created_id(name):
            return created
        found = self.answer(f"create {name}")
        if found is None or not found.failure:
            return None
        candidates = self._by_size.get(len(self.plan.batches[name]), [])
        return next((one for one in candidates if one not in self._foreign), None)

    def results_step(self, name: str) -> str:
        """The step that reads the results of a batch."""
        return f"results {name}" + ("" if self.created_id(name) else f" of {self.id_of(name)}")

    def ended(self, name: str) -> RemoteState | None:
        """The batch as it was listed when it had ended."""
        return self._ended.get(self.id_of(name) or "")

    def lines(self, name: str) -> list[bytes] | None:
        """The lines of the results of a batch; None without results."""
        step = self.results_step(name)
        for tried in (step, f"again {step}"):
            found = self.answer(tried)
            if found is not None and found.status == _OK:
                return found.raw.removesuffix(b"\n").split(b"\n")
        return None

    def results(self, name: str) -> dict[str, CollectedResult]:
        """The results of a batch by custom_id; lines that the engine cannot parse are left out."""
        found: dict[str, CollectedResult] = {}
        for line in self.lines(name) or ():
            try:
                result = decode(line)
            except BadLineError:
                continue
            found.setdefault(result.custom_id, result)
        return found

    def all_results(self) -> Iterator[CollectedResult]:
        """Every result of the run."""
        for name in self.plan.batches:
            yield from self.results(name).values()

    def ids(self, step: str) -> list[str]:
        """The ids of a list in its order."""
        return [as_str(as_dict(one).get("id")) for one in as_list(self.fields(step).get("data"))]
