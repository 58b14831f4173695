"""Deliberate bugs in rules that histories seldom reach: a named test finds each of them."""

from collections.abc import Generator, Iterable
from pathlib import Path

import pytest
from batches import test_account_problems, test_collecting, test_isolation, test_server
from batches.unresolved import test_listing
from commands import test_sync_of_batches
from delivery import test_delivery_hooks
from recovery import (
    test_lost_mirror,
    test_named_requests,
    test_several_ledgers,
    test_unsent_submissions,
)
from simulation.mutants import (
    error_cause_rules,
    exit_code_rules,
    follow_up_rules,
    poll_rules,
    recovery_rules,
)
from simulation.mutants.patching import Rule, never, nothing, patched
from support.builders import Bench, a_bench
from support.ledgers.killed_submit import use

from core.api import client
from core.api.batch_schema import Listed, page_of
from core.batches import account_check, collect, error_isolation
from core.batches.engine_context import Context
from core.batches.synchronous import account_rejections
from core.batches.unresolved import unconfirmed_creates
from core.poll import poll_run
from core.recovery import rebuild, recovered_files, restore
from state.batches import (
    batch_planning,
    guessed_requests,
    orphans,
    possible_duplicate_charges,
)
from state.files import hook_log
from state.model.records import Batch, BatchStatus, Submission
from state.operations import affected_batches
from state.queries import mirrors
from state.recovery import fallback_import
from state.recovery.recovered_batches import RecoveredBatch
from titan_console.sandbox.model.timing import Plan as Timing

pytestmark = pytest.mark.slow


def _always(_value: object) -> bool:
    return True


def _always_so(*_args: object, **_named: object) -> bool:
    return True


def _same_context(context: Context, _error: Exception) -> Context:
    return context


def _silent_page(content: bytes) -> Listed:
    page = page_of(content)
    return Listed(page.batches, page.has_more, page.last_id)


def _account_problem(bench: Bench) -> None:
    test_account_problems.test_a_sync_command_errors_nothing_and_asks_a_few_times_only(
        bench, "unnamed"
    )


def _another_server(bench: Bench) -> None:
    test_server.test_nothing_runs_synchronously_at_another_server(
        bench, "gateway.example", "other.example"
    )


def _malformed(bench: Bench) -> None:
    test_listing.test_a_list_with_a_malformed_object_proves_no_absence(
        bench, test_listing.spoil(bench)
    )


def _blocked_file(bench: Bench) -> None:
    test_isolation.test_a_folder_in_place_of_a_results_file_stops_no_other(bench, "{}.jsonl.part")


def _no_keys(_folder: object) -> list[str]:
    return []


def _same_number(_ledger: object, base: str, number: int = 1) -> str:
    return base if number == 1 else f"{base}-{number}"


def _lost_mirror(bench: Bench) -> None:
    test_lost_mirror.test_results_without_a_mirror_line_are_collected_and_not_bought_again(
        bench, Path.unlink
    )


def _nothing_lacks(*_args: object) -> list[str]:
    return []


def _short_spool(bench: Bench) -> None:
    test_lost_mirror.test_requests_that_were_sent_and_are_not_in_the_spool_are_named(
        bench, test_lost_mirror.first_half, 2, has_mirror=True
    )


def _unwritable_mirror(bench: Bench) -> None:
    test_unsent_submissions.test_what_was_sent_while_the_mirror_could_not_be_written_is_not_sent_again(
        use(bench)
    )


_add_recovered_batch = rebuild.add_recovered_batch


def _only_sent(
    context: Context,
    submission: Submission,
    found: RecoveredBatch,
    done: rebuild.RebuildSummary,
) -> None:
    if found.status != BatchStatus.NOT_SENT:
        _add_recovered_batch(context, submission, found, done)


def _interrupted_run(bench: Bench) -> None:
    test_unsent_submissions.test_a_synchronous_run_that_was_killed_is_a_possible_duplicate_charge(
        use(bench), test_unsent_submissions.emptied
    )


def _lost_batch(bench: Bench) -> None:
    test_unsent_submissions.test_so_are_those_of_a_submission_whose_batches_are_lost(use(bench))


def _late_batch(bench: Bench) -> None:
    test_unsent_submissions.test_a_nonce_of_a_batch_that_did_not_reach_the_api_survives(use(bench))


def _killed_import(bench: Bench) -> None:
    test_unsent_submissions.test_answers_of_a_fallback_file_whose_import_was_killed_count_once(
        use(bench), "submit:done", has_mirror=False
    )


def _by_key(
    _batches: list[Batch], mirrored: Iterable[RecoveredBatch]
) -> tuple[dict[str, RecoveredBatch], list[RecoveredBatch]]:
    return {found.key: found for found in mirrored}, []


def _same_key(bench: Bench) -> None:
    test_several_ledgers.test_a_batch_of_another_ledger_with_the_same_key_is_another_batch(
        use(bench), ended=False
    )


def _every_line(_context: Context, batches: Iterable[RecoveredBatch]) -> list[RecoveredBatch]:
    return list(batches)


def _two_keys(bench: Bench) -> None:
    test_several_ledgers.test_a_batch_that_has_two_keys_in_the_mirror_is_one_batch(
        use(bench), is_restore=False
    )


def _guess(bench: Bench) -> None:
    with a_bench(bench.folder.root / "split", **test_named_requests.SPLIT) as split:
        test_named_requests.test_a_wrong_guess_makes_nothing_missing_and_costs_nothing(split, 0)


def _known_hook(bench: Bench) -> None:
    desk = test_delivery_hooks.SandboxClient(bench, bench.folder.root.parent)
    test_delivery_hooks.test_a_success_that_a_killed_poll_did_not_record_is_taken_over(desk)


RULES: dict[str, Rule] = {
    **poll_rules.RULES,
    **recovery_rules.RULES,
    **exit_code_rules.RULES,
    **error_cause_rules.RULES,
    **follow_up_rules.RULES,
    "server check of a synchronous run": (
        *(account_check, "check_server", nothing),
        _another_server,
    ),
    "no call after a refusal": (
        *(poll_run, "_without_api", _same_context),
        test_server.test_a_refused_poll_calls_nothing_more_and_does_the_local_work,
    ),
    "a malformed object proves nothing": (*(client, "page_of", _silent_page), _malformed),
    "equal rejections without an answer": (
        *(account_rejections, "is_about_the_request", _always),
        _account_problem,
    ),
    "isolation of one batch": (*(error_isolation, "affects_all_items", _always), _blocked_file),
    "requests that could not run return to their batch": (
        *(affected_batches, "reattach", nothing),
        test_sync_of_batches.test_a_part_that_cannot_run_now_stays_in_its_batch,
    ),
    "the others of a canceled batch return to the queue": (
        *(affected_batches, "requeue_canceled", nothing),
        test_sync_of_batches.test_what_returns_to_the_queue_is_no_error,
    ),
    "results without mirror lines are used": (
        *(recovered_files.results_on_disk, "batch_keys", _no_keys),
        _lost_mirror,
    ),
    "requests that are lost from the spool are named": (
        *(rebuild, "_incomplete_spool", _nothing_lacks),
        _short_spool,
    ),
    "what was sent without a line in the mirror is not sent again": (
        *(mirrors, "mark_incomplete", nothing),
        _unwritable_mirror,
    ),
    "results on disk are those of the batch with their nonce": (
        *(orphans, "_identify_collected", never),
        test_lost_mirror.test_a_batch_whose_later_lines_are_lost_is_one_with_that_at_the_api,
    ),
    "a hook that is known to have succeeded is not run again": (
        *(hook_log, "last", nothing),
        _known_hook,
    ),
    "a number that a batch had is not used again": (
        *(batch_planning, "unused_key", _same_number),
        test_lost_mirror.test_a_rebuild_that_knows_the_second_batch_alone_can_send_a_third,
    ),
    "a possible duplicate charge survives the ledger": (
        *(possible_duplicate_charges, "record_recovered", nothing),
        _interrupted_run,
    ),
    "what a lost batch was warned of survives": (
        *(possible_duplicate_charges, "record_left", nothing),
        _lost_batch,
    ),
    "a batch that was not sent keeps its nonce": (
        *(rebuild, "add_recovered_batch", _only_sent),
        _late_batch,
    ),
    "a fallback file is imported once": (*(fallback_import, "add_known", nothing), _killed_import),
    "lines of another ledger are not taken for one's own": (
        *(collect, "_has_stored_lines", _always_so),
        test_collecting.test_lines_of_another_ledger_are_not_taken_for_those_that_were_stored,
    ),
    "a batch of another ledger with the same key is another": (
        *(restore, "_known_and_newer", _by_key),
        _same_key,
    ),
    "a batch with two keys is one": (*(rebuild, "known_first", _every_line), _two_keys),
    "what had vanished may return": (
        *(unconfirmed_creates, "_reconsider", nothing),
        test_listing.test_a_candidate_that_had_vanished_is_collected_when_it_returns,
    ),
    "requests of a wrong guess go to another guessed batch": (
        *(guessed_requests, "hand_over", nothing),
        _guess,
    ),
}


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Bench, None, None]:
    """The bench of the test that finds the bug."""
    named = RULES[request.node.callspec.params["rule"]][3]
    is_sync = named.__module__ == test_sync_of_batches.__name__
    with a_bench(tmp_path / "titan", plan=Timing.manual(cancel=30) if is_sync else None) as made:
        yield made


@pytest.mark.parametrize("rule", RULES)
def test_a_named_test_finds_the_bug(bench: Bench, rule: str) -> None:
    owner, name, bug, named = RULES[rule]
    with patched(owner, name, bug), pytest.raises((Exception, pytest.fail.Exception)):
        named(bench)


@pytest.mark.parametrize("rule", RULES)
def test_it_passes_without_the_bug(bench: Bench, rule: str) -> None:
    RULES[rule][3](bench)
