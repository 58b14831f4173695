"""`savings --recompute`: collected answers priced again, with the difference by batch."""

from msgspec import Struct, to_builtins

from core.batches.error_isolation import update_mirrors
from core.batches.recompute import Recomputed, missing_models, recompute
from core.bootstrap import open_engine
from core.config import titan_file
from core.config.settings import from_environment
from core.money.pricing import PriceBook, usd
from core.text import pluralize
from state.batches import repricing
from state.db.opening import open_reader
from titan_console.cli.output import print_json, print_table
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells

_HEADER = ("BATCH", "WORKFLOW", "ANSWERS", "CHANGED", "OLD COST", "NEW COST", "DIFFERENCE")


class RecomputedReport(Struct, frozen=True, kw_only=True):
    """The answers of one batch, before and after. `applied`: the new costs are stored."""

    batch_id: str
    workflow: str
    answers: int
    changed: int
    old_cost_usd: float | None
    new_cost_usd: float | None
    difference_usd: float | None
    old_unpriced: int
    new_unpriced: int
    applied: bool


def show(*, apply: bool, as_json: bool) -> None:
    """Price the answers again and print the batches that differ; `apply` stores the new costs."""
    settings = from_environment()
    if apply:
        with open_engine(settings, actor="cli", creates=False) as engine:
            context = engine.context
            ledger = context.ledger
            found = list(recompute(ledger, context.folder, context.prices, to=ledger))
            models = missing_models(ledger, context.folder)
            if models:
                repricing.store_models(ledger, models)
            # The cost log, too, has the new costs at once.
            for problem in update_mirrors(context):
                print_stderr(problem)
    else:
        folder = settings.folder
        prices = PriceBook.with_cache(folder, titan_file.read(folder))
        with open_reader(folder) as reader:
            found = list(recompute(reader, folder, prices))
            models = missing_models(reader, folder)
    differing = [batch for batch in found if batch.changed]
    if as_json:
        for batch in differing:
            print_json(to_builtins(_report(batch, applied=apply)))
    elif differing:
        rows = [_cells(batch) for batch in (*differing, _total(differing))]
        print_table((*_HEADER, "UNPRICED"), rows)
    print_stderr(_summary(found, applied=apply))
    if models:
        many = pluralize(len(models), "errored or queued request")
        done = "was corrected" if apply else "would be corrected"
        print_stderr(
            f"The model of {many}, stored by an older version as that of the submission, {done}."
        )


def _summary(found: list[Recomputed], *, applied: bool) -> str:
    answers = pluralize(sum(batch.answers for batch in found), "answer")
    changed = sum(batch.changed for batch in found)
    if not changed:
        return f"Priced {answers} again: the ledger has the same costs."
    if applied:
        return f"Priced {answers} again and stored {pluralize(changed, 'new cost')}."
    return (
        f"Priced {answers} again: {pluralize(changed, 'cost')} would change. Nothing was stored;"
        " add --apply to store them."
    )


def _total(rows: list[Recomputed]) -> Recomputed:
    total = Recomputed(batch_key="total", workflow="")
    for row in rows:
        total.answers += row.answers
        total.changed += row.changed
        total.old_cost_nano += row.old_cost_nano
        total.new_cost_nano += row.new_cost_nano
        total.old_unpriced += row.old_unpriced
        total.new_unpriced += row.new_unpriced
    return total


def _cells(row: Recomputed) -> tuple[str, ...]:
    unpriced = f"{row.old_unpriced:,} > {row.new_unpriced:,}"
    return (
        row.batch_key,
        row.workflow,
        cells.count(row.answers),
        cells.count(row.changed),
        cells.money(row.old_cost_nano),
        cells.money(row.new_cost_nano),
        cells.money(row.new_cost_nano - row.old_cost_nano),
        unpriced if row.old_unpriced or row.new_unpriced else cells.NOTHING,
    )


def _report(row: Recomputed, *, applied: bool) -> RecomputedReport:
    return RecomputedReport(
        batch_id=row.batch_key,
        workflow=row.workflow,
        answers=row.answers,
        changed=row.changed,
        old_cost_usd=usd(row.old_cost_nano),
        new_cost_usd=usd(row.new_cost_nano),
        difference_usd=usd(row.new_cost_nano - row.old_cost_nano),
        old_unpriced=row.old_unpriced,
        new_unpriced=row.new_unpriced,
        applied=applied,
    )
