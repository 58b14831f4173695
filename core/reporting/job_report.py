"""One job with its runs, its budget, its last failure and what it saved: the page of a job."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from core.config import titan_file
from core.money.budgets import used_in
from core.money.cost_history import history_since
from core.reporting import job_status
from core.reporting.job_status import JobStatus
from state.db.reader import Source
from state.files.folder import Folder
from state.model.timestamps import to_text
from state.operations import deadlines
from state.queries import job_runs
from state.queries.job_runs import LastFailure, RunRecord
from state.queries.mean_costs import AnswerCosts, answer_costs

RUNS_SHOWN = 200


class BudgetUse(Struct, frozen=True):
    """A daily budget and what is spent or reserved of it, in nano-dollars."""

    name: str
    limit_nano: int
    used_nano: int


class JobReport(Struct, frozen=True, kw_only=True):
    """`api_times_s` are those of its latest batches, newest first; `costs` of 90 days.

    `models` are those that its latest run names.
    """

    status: JobStatus
    runs: Sequence[RunRecord]
    models: Sequence[str]
    failure: LastFailure | None
    budgets: Sequence[BudgetUse]
    api_times_s: Sequence[float]
    costs: Sequence[AnswerCosts]


def read(source: Source, folder: Folder, name: str, now: datetime) -> JobReport | None:
    """The job or workflow of that name; None where neither file nor ledger know it."""
    overview = job_status.read(source, folder, now)
    status = next((line for line in overview.lines if line.name == name), None)
    if status is None:
        return None
    workflows, since = status.workflows, history_since(now)
    runs = job_runs.runs_of(source, workflows, limit=RUNS_SHOWN)
    return JobReport(
        status=status,
        runs=runs,
        models=job_runs.models_of(source, runs[0].run.key) if runs else (),
        failure=job_runs.last_failure(source, workflows),
        budgets=_budgets(source, folder, status, now),
        api_times_s=[seconds for one in workflows for seconds in deadlines.api_times(source, one)],
        costs=[cost for one in workflows for cost in answer_costs(source, one, since_day=since)],
    )


def _budgets(source: Source, folder: Folder, status: JobStatus, now: datetime) -> list[BudgetUse]:
    budgets, used = titan_file.read(folder).budgets, used_in(source, folder)
    found: dict[str, BudgetUse] = {}
    for workflow in status.workflows:
        for limit in budgets.limits_of(day=to_text(now)[:10], workflow=workflow, tag=""):
            if limit.scope is not None and limit.text not in found:
                nano = used(limit.scope).nano
                found[limit.text] = BudgetUse(limit.text, limit.nano, nano)
    return list(found.values())
