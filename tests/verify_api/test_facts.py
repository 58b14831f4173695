"""Each assumption that is made false in the sandbox is found, and no other one is named."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.api.verify_run import PACE, START, VerifyRun

from titan_console.verify_api.fact import Verdict
from titan_console.verify_api.report import FACTS, report

# Facts that no test run can show, and one that needs an old account.
NEVER = {"queue_full", "spend_limit", "expired_requests", "largest_body"}
ARCHIVED = "archived_is_404"
# Fact -> the faults that make it false.
FALSE = {
    "list_newest_first": ("list:oldest-first",),
    "list_pages": ("list:repeat-cursor",),
    "list_at_once": ("list:lag:seconds=50",),
    "read_at_once": ("retrieve:lag:seconds=60",),
    "unknown_is_404": ("retrieve:unnamed:nth=1",),
    "results_early_404": ("results:unnamed:nth=1",),
    "wrong_key_401": ("list:unnamed:nth=2",),
    "create_names_request": ("create:unnamed:nth=1",),
    "create_duplicate_id": ("create:unnamed:nth=2",),
    "create_empty": ("create:unnamed:nth=3",),
    "create_not_json": ("create:unnamed:nth=4",),
    "create_unknown_beta": ("create:unnamed:nth=5",),
    "create_params_text": ("create:unnamed:nth=6",),
    "create_cut": ("create:late:nth=7:seconds=3000",),
    "custom_id_64": ("create:unnamed:nth=8",),
    "account_named": ("any:no-account",),
    "counts_on_create": ("create:no-counts",),
    "expires_after_24h": ("any:short-expiry",),
    "batches_end": ("create:endless:nth=11",),
    "cancel": ("cancel:404:nth=1",),
    "cancel_again": ("cancel:409:nth=2",),
    "cancel_ended": ("cancel:409:nth=3",),
    "deleted_is_404": ("delete:kept",),
    "results_ready": ("results:404:nth=2",),
    "results_complete": ("results:missing:nth=3",),
    "results_lines": ("results:html-line:nth=3",),
    "errors_nested": ("results:flat-errors",),
    "error_types": ("results:other-errors",),
    "answer_model": ("results:other-model",),
    "usage_fields": ("results:unknown-usage",),
    "usage_tier": ("results:other-tier",),
    "usage_region": ("results:no-region",),
    "tokens_bounded": ("results:many-tokens",),
    "extended_output": ("row:invalid:id=verify-long",),
    "message_usage": ("messages:unknown-usage",),
}
CACHES = {
    "cache_within_batch": "always",
    "cache_across_batches": "never",
    "cache_after_message": "shared",
}


def verdicts(run: VerifyRun) -> dict[str, str]:
    found = report(run.finish(), "-", run.prices)
    return {fact.fact: fact.verdict for fact in found.facts}


def not_held(run: VerifyRun) -> set[str]:
    return {name for name, verdict in verdicts(run).items() if verdict == Verdict.NOT_HELD}


def test_all_that_can_be_checked_holds_at_the_sandbox(tmp_path: Path) -> None:
    found = verdicts(VerifyRun(tmp_path / "run.jsonl"))
    assert {name for name, verdict in found.items() if verdict != Verdict.HELD} == NEVER | {
        ARCHIVED
    }


@pytest.mark.parametrize("fact", FALSE)
def test_a_false_assumption_is_named_and_no_other(tmp_path: Path, fact: str) -> None:
    assert not_held(VerifyRun(tmp_path / "run.jsonl", *FALSE[fact])) == {fact}


@pytest.mark.parametrize("fact", CACHES)
def test_another_cache_is_found(tmp_path: Path, fact: str) -> None:
    assert not_held(VerifyRun(tmp_path / "run.jsonl", cache=CACHES[fact])) == {fact}


def test_counts_that_move_are_found(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl", pace=replace(PACE, movement=True))
    assert not_held(run) == {"counts_before_end"}


@pytest.mark.parametrize(
    ("fault", "verdict"), [((), Verdict.HELD), (("results:unnamed:nth=1",), Verdict.NOT_HELD)]
)
def test_results_that_are_no_longer_kept_are_checked_where_there_are_any(
    tmp_path: Path, fault: tuple[str, ...], verdict: Verdict
) -> None:
    run = VerifyRun(tmp_path / "run.jsonl", *fault)
    run.sandbox.end(run.sandbox.add_foreign())
    run.clock.advance(30 * 86_400)
    assert run.clock.now() > START
    found = verdicts(run)
    assert found[ARCHIVED] == verdict
    assert {name for name, v in found.items() if v == Verdict.NOT_HELD} <= {ARCHIVED}


def test_every_fact_is_made_false_by_a_test() -> None:
    tried = {*FALSE, *CACHES, *NEVER, ARCHIVED, "counts_before_end"}
    assert {fact.id for fact in FACTS} == tried
