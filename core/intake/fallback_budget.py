"""Admits the synchronous run of a fallback file, while the ledger cannot be written."""

from datetime import datetime

from msgspec.structs import replace

from core.config import titan_file
from core.config.money_settings import Budgets
from core.errors import SettingsError
from core.money.budgets import CostSums, Used, check, used_in
from core.money.pricing import PriceBook
from core.requests.model_limits import needs_batch
from core.requests.payload import parse_line
from state.batches.budget_reservations import Scope, in_fallback_files
from state.db.opening import open_reader
from state.files.fallback_file import FallbackFile
from state.files.folder import Folder
from state.model.errors import LedgerError
from state.model.records import BatchKind
from state.model.timestamps import to_text


def admit_run(folder: Folder, file: FallbackFile, betas: tuple[str, ...], now: datetime) -> None:
    """Reserve in the file the maximum cost of its run. Raises OverBudget where that does not fit.

    Beside it counts what the other files reserve, and the ledger as far as it can be read.
    Raises SettingsError while titan.toml has a problem that may hide a limit. Where its folder is
    not there at all, nothing is known of a limit.
    """
    rules = titan_file.read(folder)
    for problem in rules.limit_problems:
        if problem.code != "file_unreadable":
            message = f"{problem} Fix titan.toml; nothing is run before that."
            raise SettingsError(message, code=problem.code)
    if rules.budgets == Budgets():
        return
    header = file.header()
    cap = rules.unbounded_nano(header.job)
    prices = PriceBook.with_cache(folder, rules).of(header.lane)
    sums = CostSums.begin(prices, now, unbounded_nano=cap)
    for _, body in file.requests():
        line = parse_line(body, betas=betas)
        if not needs_batch(line.betas, len(body)):
            sums.add(line)
    wanted = sums.wanted(header.workflow, header.tag, BatchKind.SYNC)
    with file.budget_lock():
        # A run that goes on has its reservation already.
        more = replace(wanted, nano=wanted.nano - file.reserved_nano())
        check(
            rules.budgets,
            [more],
            lambda scope: _used(folder, scope, but_for=file.key),
            day=to_text(now)[:10],
        )
        file.reserve(wanted.nano)


def _used(folder: Folder, scope: Scope, *, but_for: str) -> Used:
    try:
        with open_reader(folder) as reader:
            return used_in(reader, folder, but_for=but_for)(scope)
    except LedgerError:
        return Used(in_fallback_files(folder, scope, source=None, but_for=but_for))
