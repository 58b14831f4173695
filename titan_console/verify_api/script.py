"""The steps of a run, in their order. What is decided depends on recorded answers alone."""

from collections.abc import Callable
from datetime import datetime, timedelta

from core.api.exchanges import Answer, Call
from core.config.sending_settings import Recovery
from core.errors import NoResponse
from core.money.pricing import PriceBook
from core.requests.json_access import as_dict, as_list
from state.model.records import BatchKind, Outcome
from state.model.timestamps import from_text
from titan_console.verify_api.evidence import Evidence
from titan_console.verify_api.plan import (
    CANCEL,
    CUT,
    IDS,
    LONG,
    PROBES,
    READ,
    USAGE,
    WRITE,
    Costs,
)
from titan_console.verify_api.session import Session

_BATCHES = "/v1/messages/batches"
_MOST = "1000"
_RECENT = "100"
_PAGE = "2"
# A batch of a create without an answer is looked for twice as long as the engine waits for it.
CUT_WATCH = timedelta(seconds=2 * Recovery().wait_after_timeout_s)
# As the engine: a batch that has not ended so long after its expiry never will.
NEVER = timedelta(hours=2)
_DAY = timedelta(hours=24)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LATE_PAUSE_S = 15.0, 120.0, 600.0
_GROWTH = 1.2
_CANCEL_AFTER_S = 60.0
_MANY_POLLS = 60
_UNKNOWN = "msgbatch_01unknownunknownunknown"


class Script:
    """Goes through all steps; `finish` may be called again in a later process."""

    def __init__(
        self,
        session: Session,
        costs: Costs,
        prices: PriceBook,
        progress: Callable[[int, int], None] = lambda _ended, _of: None,
    ) -> None:
        """`progress` gets the number of batches that have ended, of how many."""
        self._session = session
        self._progress = progress
        self._costs = costs
        self._prices = prices

    @property
    def _evidence(self) -> Evidence:
        return self._session.evidence

    def finish(self) -> None:
        """Make every call that is not recorded yet. Raises StillRunningError."""
        self._before()
        self._probe()
        self._create_all()
        # At once, since the cache lives for an hour.
        self._wait((WRITE,), "poll write")
        self._create(READ)
        self._wait((CUT, IDS, USAGE, CANCEL, LONG, READ), "poll")
        self._after()
        self._session.end()

    def abandon(self) -> list[str]:
        """Cancel what has not ended; the names of those batches.

        A batch that was only found in a list may be of another program.
        """
        is_known = self._evidence.created_id
        found = [name for name in self._open((*self._evidence.plan.batches,)) if is_known(name)]
        for name in found:
            self._call("POST", f"abandon {name}", f"/{self._evidence.id_of(name)}/cancel")
        self._session.end()
        return found

    def _before(self) -> None:
        first = self._list("list before", _MOST)
        if self._evidence.page("list before") is None:
            raise self._evidence.error("list before") or NoResponse(
                f"The API's list of batches cannot be read: {first.failure or first.status}."
            )
        archived = self._archived()
        if archived:
            self._call("GET", "results archived", f"/{archived}/results")
        self._call("GET", "retrieve unknown", f"/{_UNKNOWN}")
        self._session.call(
            "list with a wrong key",
            Call(method="GET", path=_BATCHES, query={"limit": "1"}, has_wrong_key=True),
            only_own=True,
        )

    def _archived(self) -> str | None:
        """The real id of a batch whose results the API no longer keeps."""
        for batch in map(as_dict, as_list(self._evidence.fields("list before").get("data"))):
            if batch.get("archived_at"):
                return self._session.real_id(str(batch["id"])) or _UNKNOWN
        return None

    def _probe(self) -> None:
        plan = self._evidence.plan
        for name in PROBES:
            call = Call(method="POST", path=_BATCHES, body=plan.probe(name), betas=plan.betas(name))
            self._session.call(f"create {name}", call, max_nano=self._costs.probe)

    def _create_all(self) -> None:
        self._create(CUT, is_cut=True)
        self._create(IDS)
        created = self._create(USAGE)
        if created:
            self._call("GET", "retrieve new", f"/{created}")
            self._list("list new", _RECENT, only_own=True)
            self._call("GET", "results early", f"/{created}/results")
        self._create(WRITE)
        body = self._evidence.plan.message()
        message = Call(method="POST", path="/v1/messages", body=body)
        self._session.call("message", message, max_nano=self._costs.message)
        self._create(LONG)
        canceled = self._create(CANCEL)
        if canceled:
            # So that some of its requests may have run.
            self._session.pause("cancel", _CANCEL_AFTER_S)
            self._call("POST", "cancel", f"/{canceled}/cancel")
            self._call("POST", "cancel again", f"/{canceled}/cancel")

    def _after(self) -> None:
        # Never one that was only found in a list: it may be of another program.
        ended = self._evidence.created_id(IDS) if self._evidence.ended(IDS) else None
        if ended:
            self._call("POST", "cancel ended", f"/{ended}/cancel")
            self._call("GET", "retrieve after cancel", f"/{ended}")
        self._list("list after", _MOST)
        own = [
            batch_id
            for batch_id in self._evidence.ids("list after")
            if batch_id in {self._evidence.id_of(name) for name in self._evidence.plan.batches}
        ]
        for number, batch_id in enumerate(own[:3]):
            query = {"limit": _PAGE, "after_id": batch_id}
            call = Call(method="GET", path=_BATCHES, query=query)
            self._session.call(f"page {number}", call)
        if ended:
            self._call("DELETE", "delete", f"/{ended}")
            self._call("GET", "retrieve deleted", f"/{ended}")
            self._call("GET", "results deleted", f"/{ended}/results")
            self._list("list without deleted", _RECENT, only_own=True)

    def _wait(self, names: tuple[str, ...], step: str) -> None:
        """Poll until these batches have ended, and the cut create was looked for long enough."""
        number = 0
        batches = self._evidence.plan.batches
        while self._open(names) or (CUT in names and not self._is_cut_decided()):
            number += 1
            self._progress(sum(1 for name in batches if self._evidence.ended(name)), len(batches))
            self._session.pause(f"{step} {number}", _pause_s(number))
            self._list(f"{step} {number}", _RECENT, only_own=True)
            for name in names:
                self._collect(name)
        for name in names:
            self._collect(name)

    def _open(self, names: tuple[str, ...]) -> list[str]:
        """Those that may still end."""
        return [
            name
            for name in names
            if self._evidence.id_of(name)
            and not self._evidence.ended(name)
            and self._now() < self._created(name) + _DAY + NEVER
        ]

    def _is_cut_decided(self) -> bool:
        """Whether its batch was found, or looked for as long as one may take to appear."""
        created = self._evidence.answer(f"create {CUT}")
        if created is None or not created.failure:
            return True
        is_late = self._now() >= self._evidence.at(f"create {CUT}") + CUT_WATCH
        return is_late or self._evidence.id_of(CUT) is not None

    def _created(self, name: str) -> datetime:
        return self._evidence.at(f"create {name}")

    def _now(self) -> datetime:
        """The time of the last answer."""
        return from_text(next(reversed(self._evidence.exchanges.values())).at)

    def _collect(self, name: str) -> None:
        if self._evidence.ended(name) is None:
            return
        path = f"/{self._evidence.id_of(name)}/results"
        step = self._evidence.results_step(name)
        if self._call("GET", step, path).status != 200:  # noqa: PLR2004 - HTTP's own number
            self._session.pause(f"again {step}", _FIRST_PAUSE_S)
            self._call("GET", f"again {step}", path)
        spent = 0
        for result in self._evidence.results(name).values():
            if result.outcome == Outcome.SUCCEEDED:
                at = self._created(name)
                charge = self._prices.charge(
                    result.model, result.usage, at=at, kind=BatchKind.BATCH
                )
                spent += charge.cost_nano or 0
        self._session.charge_more(name, spent - self._costs.batches[name])

    def _create(self, name: str, *, is_cut: bool = False) -> str | None:
        """The id of the batch, if the answer names it: such a batch may be canceled."""
        plan = self._evidence.plan
        call = Call(
            method="POST",
            path=_BATCHES,
            body=plan.body(name),
            betas=plan.betas(name),
            is_cut=is_cut,
        )
        cost, size = self._costs.batches[name], len(plan.batches[name])
        self._session.call(f"create {name}", call, max_nano=cost, size=size)
        return self._evidence.created_id(name)

    def _list(self, step: str, limit: str, *, only_own: bool = False) -> Answer:
        call = Call(method="GET", path=_BATCHES, query={"limit": limit})
        return self._session.call(step, call, only_own=only_own)

    def _call(self, method: str, step: str, tail: str) -> Answer:
        return self._session.call(step, Call(method=method, path=f"{_BATCHES}{tail}"))


def _pause_s(number: int) -> float:
    """Longer from poll to poll, and long for a batch that takes hours."""
    if number > _MANY_POLLS:
        return _LATE_PAUSE_S
    return min(_FIRST_PAUSE_S * _GROWTH**number, _LONGEST_PAUSE_S)
