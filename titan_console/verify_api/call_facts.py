"""What the engine assumes about lists, reads, creates and errors."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from core.batches.create_error_policy import CreateAction, after_create
from core.config.sending_settings import Recovery
from core.errors import ApiError, NotFound, RateLimited, Rejected, SpendCapReached, Unauthorized
from core.requests.json_access import as_dict, as_int, as_str
from state.model.timestamps import from_text
from titan_console.verify_api.evidence import Evidence
from titan_console.verify_api.fact import (
    Fact,
    Finding,
    Verdict,
    held,
    not_held,
    not_reached,
    unknown,
    verdict,
)
from titan_console.verify_api.plan import BAD_POSITION, CANCEL, CUT, IDS, USAGE
from titan_console.verify_api.script import CUT_WATCH, NEVER

_DAY = timedelta(hours=24)
_WAIT = timedelta(seconds=Recovery().wait_after_timeout_s)


def _newest_first(e: Evidence) -> Finding:
    orders = [page for step in ("list before", "list after") if (page := e.page(step))]
    if not any(len(page) > 1 for page in orders):
        return unknown("no list with two batches")
    for page in orders:
        times = [batch.created_ts for batch in page]
        if times != sorted(times, reverse=True):
            return not_held("a list has an older batch before a newer one")
    return held(f"in lists of {', '.join(str(len(page)) for page in orders)} batches")


def _pages(e: Evidence) -> Finding:
    whole = e.ids("list after")
    steps = [step for step in e.exchanges if step.startswith("page ")]
    if not steps or not whole:
        return unknown("the run did not get there")
    if _newest_first(e).verdict == Verdict.NOT_HELD:
        return unknown("lists have no order")
    for step in steps:
        if found := not_reached(e, step):
            return found
        cursor = e.exchanges[step].call.query["after_id"]
        start = whole.index(cursor) + 1
        if e.ids(step) != whole[start : start + 2]:
            return not_held("a page is not what follows its cursor in the whole list")
    return held(f"{len(steps)} pages of 2 are parts of the whole list")


def _listed_at_once(e: Evidence) -> Finding:
    if found := not_reached(e, "list new"):
        return found
    created = e.id_of(USAGE)
    if created in e.ids("list new"):
        return held("listed right after the create")
    later = e.first_listed.get(created or "")
    wait = f", but {_after(e, USAGE, later)}" if later else " at any time"
    return not_held(f"not listed right after the create{wait}")


def _after(e: Evidence, name: str, step: str) -> str:
    seconds = (e.at(step) - e.at(f"create {name}")).total_seconds()
    return f"{seconds:.0f} s later"


def _readable_at_once(e: Evidence) -> Finding:
    if found := not_reached(e, "retrieve new"):
        return found
    status = _status(e, "retrieve new")
    return verdict(e.batch("retrieve new") is not None, f"answered {status} right after the create")


def _status(e: Evidence, step: str) -> int:
    answer = e.answer(step)
    return answer.status if answer else 0


def _is_error(step: str, kind: type[ApiError], e: Evidence) -> Finding:
    """The step is answered with that error."""
    if found := not_reached(e, step):
        return found
    error = e.error(step)
    return verdict(isinstance(error, kind), str(error or f"answered {_status(e, step)}"))


def _create_error(probe: str, action: CreateAction, e: Evidence) -> Finding:
    """The create is rejected, and the engine draws the right conclusion from the answer."""
    step = f"create {probe}"
    if found := not_reached(e, step):
        return found
    error = e.error(step)
    if error is None:
        return not_held(f"accepted: {_status(e, step)}")
    done = after_create(error, Recovery(), body_bytes=1)
    is_right = done.action == action and (
        action != CreateAction.DROP_ONE or done.position == BAD_POSITION
    )
    return verdict(is_right, str(error))


def _cut(e: Evidence) -> Finding:
    step = f"create {CUT}"
    answer = e.answer(step)
    if answer is None:
        return unknown("the run did not get there")
    if not answer.failure:
        return unknown("the answer came although the connection was cut")
    last = max(e.at(name) for name in e.exchanges if name.startswith(("list", "poll")))
    found = e.id_of(CUT)
    listed = e.first_listed.get(found or "")
    if listed and not e.results(CUT):
        return unknown("a batch that may be the one has not ended")
    if listed:
        waited = e.at(listed) - e.at(step)
        seen = f"the batch was made, and first listed after {waited.total_seconds():.0f} s"
        return verdict(waited <= _WAIT, seen)
    if last < e.at(step) + CUT_WATCH and not e.is_complete:
        return unknown("the list was not read for long enough")
    return held("no batch was made")


def _ids(e: Evidence) -> Finding:
    if found := not_reached(e, f"create {IDS}"):
        return found
    error = e.error(f"create {IDS}")
    return not_held(str(error)) if error else held("accepted")


def _account(e: Evidence) -> Finding:
    steps = [
        step
        for step in ("list before", "list new", f"create {USAGE}", f"create {CANCEL}")
        if _status(e, step) == 200  # noqa: PLR2004 - HTTP's own number
    ]
    if not steps:
        return unknown("no successful call")
    names = {_named(e, step) for step in steps}
    if () in names:
        return not_held("an answer names no organization")
    return verdict(len(names) == 1, f"{len(steps)} answers name {len(names)} account")


def _named(e: Evidence, step: str) -> Sequence[str]:
    answer = e.answer(step)
    if answer is None or "anthropic-organization-id" not in answer.headers:
        return ()
    names = ("anthropic-organization-id", "anthropic-workspace-id")
    return tuple(answer.headers.get(name, "") for name in names)


def _counts_on_create(e: Evidence) -> Finding:
    found: list[str] = []
    for name, requests in e.plan.batches.items():
        fields = as_dict(e.fields(f"create {name}").get("request_counts"))
        if not fields:
            continue
        total = sum(as_int(count) or 0 for count in fields.values())
        found.append(name)
        if total != len(requests):
            return not_held(f"{total} for a batch of {len(requests)}")
    return held(f"in {len(found)} creates") if found else unknown("no create was answered")


def _counts_before_end(e: Evidence) -> Finding:
    polls = [step for step in e.exchanges if step.startswith("poll")]
    if not polls:
        return unknown("the run did not get there")
    moved = next(iter(e.counts_moved.values()), None)
    if moved:
        counts = moved.counts
        return not_held(f"{counts.processing} of {counts.total()} were left before the end")
    return held(f"unchanged until the end in {len(polls)} lists")


def _expiry(e: Evidence) -> Finding:
    found = [batch for name in e.plan.batches if (batch := e.batch(f"create {name}"))]
    if not found:
        return unknown("no create was answered")
    lengths = {from_text(one.expires_ts) - from_text(one.created_ts) for one in found}
    return verdict(lengths == {_DAY}, " and ".join(sorted(map(str, lengths))))


def _ends(e: Evidence) -> Finding:
    created = [name for name in e.plan.batches if e.id_of(name)]
    open_ = [name for name in created if not e.ended(name)]
    last = max((e.at(step) for step in e.exchanges), default=None)
    if not created or any(last and last < e.at(f"create {name}") + _DAY + NEVER for name in open_):
        return unknown("not all batches have ended")
    if open_:
        return not_held(f"not ended two hours after their expiry: {', '.join(open_)}")
    return held(f"{len(created)} batches have ended")


def _cancel(e: Evidence) -> Finding:
    if found := not_reached(e, "cancel"):
        return found
    batch = e.batch("cancel")
    if batch is None:
        return not_held(str(e.error("cancel") or "no batch in the answer"))
    if batch.ended_ts and not batch.cancel_ts:
        return unknown("the batch had ended before")
    if not batch.cancel_ts:
        return not_held("the answer has no cancel_initiated_at")
    ended = e.ended(CANCEL)
    if ended is None:
        return held("accepted; not ended yet")
    counts = ended.counts
    seen = f"{counts.canceled} canceled, {counts.succeeded} succeeded, {counts.errored} errored"
    return held(f"{seen}; {counts.expired} expired" if counts.expired else seen)


def _harmless_cancel(step: str, e: Evidence) -> Finding:
    """A cancel that comes too late is answered with the batch or a 4xx."""
    answer, error = e.answer(step), e.error(step)
    if answer is None or answer.failure or isinstance(error, RateLimited | SpendCapReached):
        return not_reached(e, step) or unknown(str(error))
    status = as_str(e.fields(step).get("processing_status"))
    seen = str(error) if error else f"answered {answer.status}: {status}"
    return verdict(error is None or isinstance(error, Rejected), seen)


def _deleted(e: Evidence) -> Finding:
    if found := not_reached(e, "delete") or not_reached(e, "list without deleted"):
        return found
    if error := e.error("delete"):
        return unknown(str(error))
    deleted = e.id_of(IDS)
    reads = [e.error(step) for step in ("retrieve deleted", "results deleted")]
    if not all(isinstance(error, NotFound) for error in reads):
        return not_held("a read of the deleted batch is not answered with 404")
    is_listed = deleted in e.ids("list without deleted")
    return verdict(not is_listed, "listed" if is_listed else "404, and not listed")


def _archived(e: Evidence) -> Finding:
    if e.answer("list before") and not e.answer("results archived"):
        return unknown("the account has no batch whose results are no longer kept")
    return _is_error("results archived", NotFound, e)


_DROPPED = "The engine holds all sending and says so, instead of leaving out one request."
_REJECTED = "The engine holds all sending and says so, instead of marking its requests."

CALL_FACTS = (
    Fact(
        "list_newest_first",
        "Lists have the newest batch first.",
        "The newest batch before a send is how a lost create is told from older batches; without"
        " that order, it may be looked for among older ones.",
        _newest_first,
    ),
    Fact(
        "list_pages",
        "A page is what follows its cursor, with no batch twice or left out.",
        "A listing with gaps proves nothing: the engine would take a batch as lost too early.",
        _pages,
    ),
    Fact(
        "list_at_once",
        "A new batch is listed at once.",
        "The engine waits 30 minutes (wait_after_timeout_s) before a list proves that a create"
        " made no batch.",
        _listed_at_once,
    ),
    Fact(
        "read_at_once",
        "A new batch can be read at once.",
        "A 404 is tried again at each poll. Only with a complete list that lacks the batch, an hour"
        " later, is it written off.",
        _readable_at_once,
    ),
    Fact(
        "unknown_is_404",
        "An unknown batch is a 404.",
        "Other errors count as failures of the API: a batch that is gone is written off later.",
        partial(_is_error, "retrieve unknown", NotFound),
    ),
    Fact(
        "results_early_404",
        "Results before the end of a batch are a 404.",
        "The engine asks for results only once a batch has ended.",
        partial(_is_error, "results early", NotFound),
    ),
    Fact(
        "wrong_key_401",
        "A wrong key is a 401.",
        "With another status, polls go on and do not say that the key is invalid.",
        partial(_is_error, "list with a wrong key", Unauthorized),
    ),
    Fact(
        "create_names_request",
        "A create with an invalid custom_id is rejected, and the error names the request.",
        _DROPPED,
        partial(_create_error, "bad-id", CreateAction.DROP_ONE),
    ),
    Fact(
        "create_duplicate_id",
        "A create with a custom_id twice is rejected, and the error is about its requests.",
        _REJECTED,
        partial(_create_error, "duplicate", CreateAction.REJECT),
    ),
    Fact(
        "create_empty",
        "A create without requests is rejected, and the error is about its requests.",
        _REJECTED,
        partial(_create_error, "empty", CreateAction.REJECT),
    ),
    Fact(
        "create_not_json",
        "A create that is not JSON is rejected, and the error is about JSON.",
        _REJECTED,
        partial(_create_error, "not-json", CreateAction.REJECT),
    ),
    Fact(
        "create_unknown_beta",
        "A create with an unknown beta header is rejected, and the error is about the header.",
        _REJECTED,
        partial(_create_error, "unknown-beta", CreateAction.REJECT),
    ),
    Fact(
        "create_params_text",
        "A create with params that are not an object is rejected, and the error names the request.",
        "The engine never sends such params; the sandbox rejects them at once.",
        partial(_create_error, "params-text", CreateAction.DROP_ONE),
    ),
    Fact(
        "create_cut",
        "A create whose connection is cut makes a batch within 30 minutes, or none.",
        "Its requests are queued again after wait_after_timeout_s of [recovery]: raise it. A batch"
        " that appears later is found and reported as a duplicate charge.",
        _cut,
    ),
    Fact(
        "custom_id_64",
        "A custom_id may have 64 characters, and its case counts.",
        "The engine appends an id of the batch to each custom_id, up to 64 characters.",
        _ids,
    ),
    Fact(
        "account_named",
        "Answers name the account, always the same.",
        "Without it, the engine cannot tell that a key of another account is used.",
        _account,
    ),
    Fact(
        "counts_on_create",
        "The answer to a create counts each request of the batch.",
        "Another count is treated as no answer: the batch is looked for in the list.",
        _counts_on_create,
    ),
    Fact(
        "counts_before_end",
        "The counts of a batch do not change before it ends.",
        "Nothing depends on it: only processing_status decides.",
        _counts_before_end,
    ),
    Fact(
        "expires_after_24h",
        "A batch expires 24 hours after its creation.",
        "The engine uses expires_at as the API gives it.",
        _expiry,
    ),
    Fact(
        "batches_end",
        "A batch ends, at the latest two hours after its expiry.",
        "It is reported as stuck, and written off: its requests get the outcome missing.",
        _ends,
    ),
    Fact(
        "cancel",
        "A cancel is accepted; requests that already ran keep their results.",
        "A failed cancel is repeated at each poll until the batch has ended.",
        _cancel,
    ),
    Fact(
        "cancel_again",
        "A second cancel does no harm.",
        "Any 4xx is taken as a reason to read the status.",
        partial(_harmless_cancel, "cancel again"),
    ),
    Fact(
        "cancel_ended",
        "A cancel of an ended batch does no harm.",
        "Any 4xx is taken as a reason to read the status.",
        partial(_harmless_cancel, "cancel ended"),
    ),
    Fact(
        "deleted_is_404",
        "A deleted batch is a 404 and is not listed.",
        "A batch that is deleted by hand would be waited for until after its expiry.",
        _deleted,
    ),
    Fact(
        "archived_is_404",
        "Results that are no longer kept, after 29 days, are a 404.",
        "Other errors count as failures of the API until the batch is 29 days old.",
        _archived,
    ),
)
