"""What a command would do and cost, before it is given: the receipt before the purchase."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import asdict

from core.batches.context import Context
from core.commands.eligibility import Eligibility
from core.commands.pausing import Chosen
from core.money.pricing import usd
from core.text import are, counted
from state.model.records import Kind, Usage
from state.operations import pauses, previews
from state.operations.commands import Action

_SAMPLES = 3
# English text has about four bytes a token; JSON around it makes this an upper estimate.
_BYTES_PER_TOKEN = 4
_UNKNOWN_OUTPUT = 256


class Preview(Struct, frozen=True, kw_only=True):
    """The exact count, samples, what is skipped and why, and the estimate in nano-dollars.

    Costs are None where a model has no known price. Deadlines are those of the submissions
    concerned, the earliest first. `cli` is the command line that asks for the same, `notes` what
    else to know before.
    """

    action: Action
    count: int
    samples: tuple[str, ...]
    skipped: dict[str, int]
    batch_cost_nano: int | None = None
    sync_cost_nano: int | None = None
    deadlines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cli: str

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        report = asdict(self)
        report["verb"] = self.action.value
        report["batch_cost_usd"] = usd(report.pop("batch_cost_nano"))
        report["sync_cost_usd"] = usd(report.pop("sync_cost_nano"))
        return report


def for_requests(
    context: Context,
    action: Action,
    eligibility: Eligibility,
    *,
    cli: str,
    model: str | None = None,
) -> Preview:
    """The receipt of a verb on requests; `model` is the one that an edit gives them all."""
    ids = [request.request_id for request in eligibility.taken]
    batch, sync = (
        _estimate(context, ids, model) if action in (Action.REPLAY, Action.SYNC) else (0, 0)
    )
    return Preview(
        action=action,
        count=len(ids),
        samples=tuple(request.custom_id for request in eligibility.taken[:_SAMPLES]),
        skipped=dict(eligibility.skipped),
        batch_cost_nano=batch,
        sync_cost_nano=sync,
        deadlines=tuple(previews.deadlines(context.ledger, ids)),
        notes=tuple(
            f"{workflow} is paused: nothing of it is sent before `titan-console resume`"
            for workflow in previews.paused_workflows(context.ledger, ids)
            if action == Action.REPLAY
        ),
        cli=cli,
    )


def for_workflows(context: Context, action: Action, chosen: Chosen, *, cli: str) -> Preview:
    """The receipt of a pause or a resume: what waits, and what goes on all the same."""
    ids = pauses.unsent(context.ledger, chosen.taken)
    deadlines = tuple(previews.deadlines(context.ledger, ids))
    is_resumed = action == Action.RESUME
    batch, sync = _estimate(context, ids, None) if is_resumed else (0, 0)
    running = pauses.at_the_api(context.ledger, chosen.taken)
    if is_resumed:
        notes = [f"{counted(len(ids), 'request is', 'requests are')} sent with the next poll"]
    else:
        waiting = counted(len(ids), "request waits and is", "requests wait and are")
        notes = [f"{waiting} not sent"]
    if running and not is_resumed:
        at_the_api = counted(running, "batch at the API goes on", "batches at the API go on")
        notes.append(f"{at_the_api}, and {are(running)} collected")
    if deadlines and not is_resumed:
        notes.append(
            "what is still missing near its deadline is run at the full price all the same"
        )
    return Preview(
        action=action,
        count=len(chosen.taken),
        samples=tuple(chosen.taken[:_SAMPLES]),
        skipped=dict(chosen.skipped),
        batch_cost_nano=batch,
        sync_cost_nano=sync,
        deadlines=deadlines,
        notes=tuple(notes),
        cli=cli,
    )


def for_batches(context: Context, batch_ids: Sequence[int], *, cli: str) -> Preview:
    """The receipt of a cancel: what is running and billed already stays billed."""
    return Preview(
        action=Action.CANCEL,
        count=len(batch_ids),
        samples=tuple(previews.batch_keys(context.ledger, batch_ids[:_SAMPLES])),
        skipped={},
        batch_cost_nano=0,
        sync_cost_nano=0,
        deadlines=tuple(previews.deadlines_of_batches(context.ledger, batch_ids)),
        cli=cli,
    )


def _estimate(
    context: Context, ids: Sequence[int], model: str | None
) -> tuple[int | None, int | None]:
    """From the sizes of the bodies, and the usual length of the workflow's answers."""
    batch_total = sync_total = 0
    now = context.clock.now()
    for size in previews.sizes(context.ledger, ids):
        answer = size.usual_output if size.usual_output is not None else _UNKNOWN_OUTPUT
        usage = Usage(
            input_tokens=size.body_bytes // _BYTES_PER_TOKEN,
            output_tokens=size.requests * answer,
        )
        batch, sync = context.prices.price(model or size.model, usage, at=now, kind=Kind.BATCH)
        if batch is None or sync is None:
            return None, None
        batch_total, sync_total = batch_total + batch, sync_total + sync
    return batch_total, sync_total
