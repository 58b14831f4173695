"""The preview of a command: its effect and its cost, shown before it is confirmed."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct, to_builtins

from core.batches.budget_admission import unknown_costs, without_edited
from core.batches.engine_context import Context
from core.commands import skipped_text
from core.commands.command_cost import CommandCost, command_cost
from core.commands.deadline_guard import notes_of_late_replay
from core.commands.eligibility import Eligibility, WorkflowChoice
from core.money import cache_costs
from core.money.cache_costs import CacheCosts
from core.money.pricing import dollars_text, usd
from core.text import are, pluralize
from state.batches import priming_records
from state.batches.edits import Edit
from state.model.records import BatchStatus
from state.operations import affected_batches, command_effects, pauses, previews
from state.operations.affected_batches import AffectedBatch
from state.operations.commands import Action

_SAMPLES = 3
_NOTES_SHOWN = 5


class Preview(Struct, frozen=True, kw_only=True):
    """The effect and the cost of a command.

    `count` and `samples` are of requests, batches or workflows, without the `skipped` ones (reason
    to number). Costs are maximums in nano-dollars, None where a request has no known price or no
    upper bound, and as expected from earlier answers, None without them. `cache` is what they cost
    in batches by the prompt cache, where their submissions prime it.
    For a synchronous run: `duplicate_cost_nano` is what batches that go on may charge for the same
    requests; `canceled_batches` are those that it cancels, and `stopped_requests` the other
    requests in them, which return to the queue.
    `deadlines` are those of the submissions concerned, earliest first. `cli` is the command line
    that makes exactly the same request, empty where there is none; `notes` are warnings.
    """

    action: Action
    count: int
    samples: tuple[str, ...]
    skipped: Mapping[str, int]
    batch_cost_nano: int | None = None
    sync_cost_nano: int | None = None
    expected_batch_nano: int | None = None
    expected_sync_nano: int | None = None
    duplicate_cost_nano: int | None = 0
    cache: CacheCosts | None = None
    canceled_batches: tuple[str, ...] = ()
    stopped_requests: int = 0
    deadlines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cli: str

    def skipped_sentences(self) -> list[str]:
        """What is skipped and why, a sentence for each reason."""
        return skipped_text.sentences(self.skipped)

    def as_json(self) -> dict[str, object]:
        """For `--json`, costs in dollars; with the old names of some keys, for one release."""
        report = to_builtins(self)
        report["verb"] = report["action"]
        for old in ("batch_cost", "sync_cost"):
            new = f"{old.removesuffix('_cost')}_usd"
            report[new] = report[f"{old}_usd"] = usd(report.pop(f"{old}_nano"))
        report["expected_batch_usd"] = usd(report.pop("expected_batch_nano"))
        report["expected_sync_usd"] = usd(report.pop("expected_sync_nano"))
        report["duplicate_cost_usd"] = usd(report.pop("duplicate_cost_nano"))
        report["cache"] = to_builtins(cache_costs.report(self.cache))
        return report


def for_requests(
    context: Context,
    action: Action,
    found: Eligibility,
    *,
    cli: str,
    edits: Sequence[Edit] = (),
    numbers: Sequence[str] = (),
) -> Preview:
    """The preview of a replay, sync or acknowledge.

    `edits` are the new bodies, `numbers` is what it takes of each budget.
    """
    ids = found.ids
    is_paid = action in (Action.REPLAY, Action.SYNC)
    cost = command_cost(context, ids, edits) if is_paid else CommandCost()
    paused = previews.paused_workflows(context.ledger, ids) if action == Action.REPLAY else []
    effects = _effects(context, ids if action == Action.SYNC else ())
    deadlines = previews.deadlines(context.ledger, ids)
    return Preview(
        action=action,
        count=len(ids),
        samples=tuple(previews.custom_ids(context.ledger, list(islice(ids, _SAMPLES)))),
        skipped=dict(found.skipped),
        batch_cost_nano=cost.batch_nano,
        sync_cost_nano=cost.sync_nano,
        expected_batch_nano=cost.expected_batch_nano,
        expected_sync_nano=cost.expected_sync_nano,
        duplicate_cost_nano=effects.duplicate_nano,
        cache=cost.primed.costs if cost.primed else None,
        canceled_batches=tuple(one.batch.key for one in effects.canceled),
        stopped_requests=sum(one.others for one in effects.canceled),
        deadlines=tuple(deadlines),
        notes=(
            *numbers,
            *_notes_of_unknown_cost(context, ids, edits, cost),
            *_notes_of_cache(action, cost),
            *_notes_of_risk(context, action, ids),
            *(notes_of_late_replay(context, ids, deadlines) if action == Action.REPLAY else ()),
            *(
                f"{workflow} is paused: its requests stay queued until `titan-console resume`"
                for workflow in paused
            ),
            *effects.notes,
        ),
        cli=cli,
    )


def for_workflows(context: Context, action: Action, found: WorkflowChoice, *, cli: str) -> Preview:
    """The preview of a pause or a resume."""
    ids = pauses.unsent(context.ledger, found.eligible)
    deadlines = tuple(previews.deadlines(context.ledger, ids))
    is_resume = action == Action.RESUME
    cost = command_cost(context, ids) if is_resume else CommandCost()
    notes = (
        [
            f"{pluralize(len(ids), 'queued request')} {are(len(ids))} sent immediately"
            if ids
            else "no requests are queued",
            *_notes_of_cache(action, cost),
            *(
                f"{stop.workflow} primes the cache again"
                for stop in priming_records.stops(context.ledger)
                if stop.workflow in found.eligible
            ),
        ]
        if is_resume
        else _notes_of_pause(context, found.eligible, len(ids), has_deadline=bool(deadlines))
    )
    return Preview(
        action=action,
        count=len(found.eligible),
        samples=tuple(found.eligible[:_SAMPLES]),
        skipped=dict(found.skipped),
        batch_cost_nano=cost.batch_nano,
        sync_cost_nano=cost.sync_nano,
        expected_batch_nano=cost.expected_batch_nano,
        expected_sync_nano=cost.expected_sync_nano,
        cache=cost.primed.costs if cost.primed else None,
        deadlines=deadlines,
        notes=tuple(notes),
        cli=cli,
    )


def for_batches(context: Context, batch_ids: Sequence[int], *, cli: str) -> Preview:
    """The preview of a cancel. Requests that the API has answered stay billed."""
    return Preview(
        action=Action.CANCEL,
        count=len(batch_ids),
        samples=tuple(previews.batch_keys(context.ledger, batch_ids[:_SAMPLES])),
        skipped={},
        batch_cost_nano=0,
        sync_cost_nano=0,
        deadlines=tuple(previews.deadlines_of_batches(context.ledger, batch_ids)),
        notes=(
            *_notes_of_cancel(*previews.counts(context.ledger, batch_ids)),
            *(
                f"{key} is stuck: its requests end as missing, and may have run"
                for key in previews.stuck_keys(context.ledger, batch_ids)
            ),
        ),
        cli=cli,
    )


def _notes_of_cache(action: Action, cost: CommandCost) -> Iterator[str]:
    """Which of the costs by cache comes true, as far as it is known before."""
    if cost.primed is None:
        return
    if action == Action.SYNC:
        yield "a synchronous run does not use the prompt cache: it costs the uncached price"
    elif cost.primed.until_ts is None:
        yield "the prompt cache that they primed has expired: they are sent without cache marks"
    else:
        yield f"batches sent before {cost.primed.until_ts} get cache_control"


def _notes_of_cancel(unsent: int, at_api: int) -> Iterator[str]:
    if unsent:
        many = pluralize(unsent, "request was", "requests were")
        yield f"{many} not sent yet; what is canceled can be replayed"
    if at_api:
        many = pluralize(at_api, "request is", "requests are")
        end = "it ends as canceled unless it has a result, and appears under Errors"
        if at_api > 1:
            end = "they end as canceled unless they have a result, and appear under Errors"
        yield f"{many} at the API: {end}"


def _notes_of_risk(context: Context, action: Action, ids: Collection[int]) -> Iterator[str]:
    if action not in (Action.REPLAY, Action.SYNC):
        return
    if count := command_effects.count_maybe_charged(context.ledger, ids):
        many = pluralize(count, "request was", "requests were")
        yield f"{many} in a batch that the API lost or did not end: they may be charged twice"


def _notes_of_pause(
    context: Context, workflows: Sequence[str], queued: int, *, has_deadline: bool
) -> list[str]:
    stays = pluralize(queued, "queued request stays", "queued requests stay")
    notes = [
        f"{stays} unsent"
        if queued
        else "no requests are queued; new ones are stored and stay queued until you resume it"
    ]
    if running := pauses.count_at_api(context.ledger, workflows):
        continues = pluralize(running, "batch continues", "batches continue")
        notes.append(f"{continues} at the API and will be collected")
    if has_deadline:
        notes.append(
            "near a deadline, requests without an answer still run synchronously, at full price"
        )
    return notes


def _notes_of_unknown_cost(
    context: Context, ids: Collection[int], edits: Sequence[Edit], cost: CommandCost
) -> list[str]:
    """Why the maximum cost is not known, and what to do."""
    if cost.batch_nano is not None:
        return []
    unchanged = without_edited(ids, edits)
    models = Counter[tuple[str, str]]()
    for group in previews.by_model(context.ledger, unchanged):
        models[group.model, group.lane] += group.requests
    for edit in edits:
        if edit.model:
            models[edit.model, command_effects.lane_of(context.ledger, edit.request_id)] += 1
    now, unpriced = context.clock.now(), Counter[str]()
    for (model, lane), count in models.items():
        if context.prices.of(lane).highest_rates(model, prompt_tokens=0, at=now) is None:
            unpriced[model] += count
    return [
        f"no price is known for {model} ({pluralize(count, 'request')}): add it to [prices] in"
        " titan.toml"
        for model, count in sorted(unpriced.items())
    ] or [_unbounded_note(context, unchanged)]


def _unbounded_note(context: Context, ids: Collection[int]) -> str:
    _, unbounded = unknown_costs(context, ids)
    reason = f"{unbounded} has no upper bound" if unbounded else "no body is stored"
    return f"the maximum cost is not known: {reason} for some of the requests"


class _Effects(Struct, frozen=True):
    """What a synchronous run does to open batches: what they may charge too, and the notes."""

    duplicate_nano: int | None
    canceled: tuple[AffectedBatch, ...]
    notes: tuple[str, ...]


def _effects(context: Context, ids: Collection[int]) -> _Effects:
    found = affected_batches.affected_batches(context.ledger, ids)
    # A stuck batch is written off, which is another note.
    affected = [one for one in found if one.batch.stuck_ts is None]
    costs = {
        one.batch.id: command_cost(
            context, affected_batches.active_in(context.ledger, one.batch, ids)
        ).batch_nano
        for one in affected
        if one.goes_on
    }
    notes = [_effect_on(one, costs.get(one.batch.id)) for one in affected]
    if len(notes) > _NOTES_SHOWN:
        more = pluralize(len(notes) - _NOTES_SHOWN, "more batch", "more batches")
        notes[_NOTES_SHOWN:] = [f"{more} with requests of this command"]
    known = [cost for cost in costs.values() if cost is not None]
    return _Effects(
        sum(known) if len(known) == len(costs) else None,
        tuple(one for one in affected if one.is_canceled),
        tuple(notes),
    )


def _effect_on(affected: AffectedBatch, cost: int | None) -> str:
    key, chosen = affected.batch.key, pluralize(affected.chosen, "request")
    if affected.is_canceled:
        others = pluralize(affected.others, "other request returns", "other requests return")
        back = f"; {others} to the queue" if affected.others else ""
        return (
            f"cancels batch {key}; when it has ended, its selected requests without an answer run"
            f" synchronously{back}"
        )
    if affected.goes_on:
        price = "an unknown price" if cost is None else dollars_text(cost)
        return f"batch {key} continues and may also charge for {chosen}, at most {price}"
    if affected.batch.status == BatchStatus.QUEUED:
        others = "; its other requests are queued again" if affected.others else ""
        return f"batch {key} will not be sent{others}"
    return f"waits for batch {key} ({affected.batch.status}), which contains {chosen}"
