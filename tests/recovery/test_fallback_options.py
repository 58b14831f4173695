"""Budgets and what a job says hold for what was kept while the ledger could not be used."""

from pathlib import Path

import pytest
from support.builders import a_request, some_requests
from support.error_codes import code_is
from support.ledgers.broken_ledger import corrupt, heal, poll

import titan_batch
from core.bootstrap import open_engine
from core.config.settings import from_environment
from state.files import fallback_file
from state.files.folder import Folder
from state.queries import batch_list
from titan_console.sandbox.api import Sandbox


def _budget(home: Path, day_usd: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "titan.toml").write_text(f"[budgets]\nday_usd = {day_usd}\n", "utf-8")


def test_a_fallback_file_counts_for_the_budget(home: Path, sandbox: Sandbox) -> None:
    _budget(home, "0.002")
    corrupt(home)
    titan_batch.submit(some_requests(2), tag="first")
    heal(home)
    assert poll().sent == 1
    with pytest.raises(titan_batch.PayloadError, check=code_is("over_budget")):
        titan_batch.submit(some_requests(2), tag="second")
    assert sandbox.billing_log().creates == 1


def test_a_fallback_file_over_budget_is_kept_until_it_fits(home: Path, sandbox: Sandbox) -> None:
    _budget(home, "0.002")
    titan_batch.submit(some_requests(2), tag="first")
    ledger = (home / "titan.db").read_bytes()
    corrupt(home)
    key = titan_batch.submit(some_requests(2), tag="second")
    heal(home)
    (home / "titan.db").write_bytes(ledger)
    (trouble,) = (trouble for trouble in poll().problems if "fallback" in trouble)
    assert "is kept for the next poll: Over the daily budget" in trouble
    assert sandbox.billing_log().creates == 1
    # What the first one really cost is far less than what was booked for it.
    poll()
    poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 2


def test_what_fits_no_budget_is_refused_with_a_broken_ledger_too(home: Path) -> None:
    _budget(home, "0.0001")
    corrupt(home)
    with pytest.raises(titan_batch.PayloadError, check=code_is("over_budget")):
        titan_batch.submit(some_requests(2), tag="t")
    assert fallback_file.pending(Folder(home)) == []


def test_options_of_the_job_hold_for_a_fallback_file_too(home: Path, sandbox: Sandbox) -> None:
    home.mkdir()
    (home / "titan.toml").write_text(
        '[workloads.t]\n[jobs.feed-classify]\nworkload = "t"\nschedule = "daily"\n'
        'model = "claude-haiku-5-5"\ndeadline_h = 26\non_failure = "sync"\n',
        "utf-8",
    )
    corrupt(home)
    long = a_request("feed-classify-2026-11-22-00009", max_tokens=200_000)
    key = titan_batch.submit([*some_requests(1), long], tag="t")
    (file,) = fallback_file.pending(Folder(home))
    header = file.header()
    assert (header.job, header.model, header.on_failure) == (
        *("feed-classify", "claude-haiku-5-5"),
        "sync",
    )
    assert header.deadline_ts is not None
    assert len(sandbox.billing_log().messages) == 1
    heal(home)
    poll()
    poll()
    results = titan_batch.poll_and_collect(key) or []
    assert [row["outcome"] for row in results] == ["succeeded"] * 2
    with open_engine(from_environment(), actor="test") as engine:
        (submission,) = batch_list.submissions_of(engine.context.ledger, "t")
        betas = [batch.betas for batch in batch_list.batches_of(engine.context.ledger, submission)]
    assert sorted(betas) == [(), ("output-300k-2026-03-24",)]
