"""The data of the page of the batches."""

from msgspec import Struct

from core.clock import Clock
from core.config import titan_file
from core.money import kpis
from core.money.kpis import KpiReport
from core.money.pricing import PriceBook
from core.reporting import error_reports, history, json_reports, savings, status_report
from core.reporting.error_reports import ErrorReport
from core.reporting.json_reports import BatchReport
from core.reporting.poller_health import silent_after
from core.reporting.savings import SavingsReport
from core.reporting.status_report import StatusReport
from state.db.opening import open_reader
from state.files.folder import Folder
from state.model.timestamps import to_text
from state.queries import batch_list, error_list
from state.queries.batch_replays import replays_in

_LISTED = 50


class BatchesReport(Struct, frozen=True, kw_only=True):
    """What the page shows.

    `status` as `status --json`, `ended` the latest ended batches, `errors` the latest errored
    requests as `errors --json`, `savings` as `savings --month --json`, `kpis` as `kpis --json`.
    `replays` are the ids of those ended batches that are replays.
    """

    at: str
    status: StatusReport
    ended: list[BatchReport]
    replays: list[str]
    errors: list[ErrorReport]
    savings: SavingsReport
    kpis: dict[str, KpiReport]


def read(folder: Folder, clock: Clock) -> BatchesReport:
    """The page's data, as of now. Raises LedgerError."""
    toml = titan_file.read(folder)
    with open_reader(folder) as reader, reader.read_transaction():
        now = reader.server_now() or clock.now()
        ended = batch_list.closed_batches(reader, limit=_LISTED)
        replays = replays_in(reader, (row.id for row in ended))
        return BatchesReport(
            at=to_text(now),
            status=status_report.status(
                reader, now_ts=to_text(now), silent_after=silent_after(toml.alerts)
            ),
            ended=[json_reports.batch(row) for row in ended],
            replays=[row.key for row in ended if row.id in replays],
            errors=[error_reports.error(row) for row in error_list.errors(reader, limit=_LISTED)],
            savings=savings.report(savings.read(reader, PriceBook.of_rules(toml), now.date())),
            kpis=kpis.report(
                history.kpi_month(reader, history.fleet_in(folder), now.date()).overall
            ),
        )
