"""A failure of one item stops nothing else: each kind with a sick job and a healthy one.

Every test breaks the handling of one item and polls until the healthy job is delivered. Then the
fault ends, and later polls deliver the sick one too.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.broken_code import breaks
from support.builders import Bench, a_request
from support.lifecycle import QUARTER, batches, check_billing, poll_until_done

from core.batches import collect, refresh, send
from core.intake.options import SubmitOptions
from state.model.records import Batch
from state.queries import mirrors

DATE = "2026-11-22"
SECRET = "the secret prompt"


def _submit(bench: Bench, workflow: str, **options: object) -> str:
    request = a_request(f"{workflow}-{DATE}-001")
    made = bench.engine.submit([request], SubmitOptions(tag=workflow, **options))  # pyright: ignore[reportArgumentType]
    return made.submission.key


def _two(bench: Bench) -> tuple[Batch, Batch]:
    """One batch for each of the jobs, sick and healthy, in this order."""
    for workflow in ("sick", "healthy"):
        _submit(bench, workflow)
    sick, healthy = batches(bench)
    return sick, healthy


def _delivered(bench: Bench) -> set[str]:
    return {
        path.name.partition("-")[0]
        for path in bench.folder.staging.glob("*.jsonl")
        if path.is_file()
    }


def _poll(bench: Bench, times: int = 4) -> list[str]:
    """The problems of a few polls; none of them raises."""
    return [line for _ in range(times) for line in bench.poll_after(QUARTER).problems]


def _event_kinds(bench: Bench) -> set[str]:
    return {row["kind"] for row in bench.engine.context.ledger.rows("SELECT kind FROM events")}


def _heal(bench: Bench) -> None:
    """The fault is gone: both jobs are delivered, and paid for once."""
    bench.clock.advance(24 * 900.0)
    for _ in range(8):
        bench.poll_after(QUARTER)
    poll_until_done(bench)
    assert _delivered(bench) == {"sick", "healthy"}
    check_billing(bench)
    assert bench.poll_after(QUARTER).problems == []


ERRORS = [
    ValueError(SECRET),
    AssertionError(SECRET),
    RecursionError(SECRET),
    OSError(5, "I/O error"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("module", "name"), [(collect, "collect"), (refresh, "_refresh_one"), (send, "send")]
)
def test_a_batch_that_cannot_be_handled_stops_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, module: object, name: str, error: Exception
) -> None:
    broken = breaks(error, lambda batch: batch.workflow == "sick")
    with monkeypatch.context() as patched:
        patched.setattr(module, name, broken(getattr(module, name)))
        sick, _ = _two(bench)
        problems = _poll(bench)
        assert _delivered(bench) == {"healthy"}
        assert [line for line in problems if sick.key in line]
        assert SECRET not in "".join(problems)
        assert _event_kinds(bench) & {"poll.problem", "batch.poll_failed"}
    _heal(bench)


def _in_the_way(path: Path) -> Callable[[], None]:
    """A folder where a file must go; returns what removes it."""
    path.mkdir(parents=True)
    return path.rmdir


@pytest.mark.parametrize("name", ["{}.jsonl.part", "{}.jsonl", "{}.rejected", "{}.answers"])
def test_a_folder_in_place_of_a_results_file_stops_no_other(bench: Bench, name: str) -> None:
    sick, _ = _two(bench)
    remove = _in_the_way(bench.folder.results / name.format(sick.key))
    _poll(bench)
    assert "healthy" in _delivered(bench)
    remove()
    _heal(bench)


def test_a_folder_in_place_of_a_spool_file_stops_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        # As after a kill between the commit and the POST.
        patched.setattr(send, "send", breaks(ValueError())(send.send))
        sick, _ = _two(bench)
    spooled = bench.folder.spool / f"{_key_of(bench, sick)}.jsonl"
    kept = spooled.rename(spooled.with_suffix(".kept"))
    spooled.mkdir()
    problems = _poll(bench)
    assert _delivered(bench) == {"healthy"}
    assert [line for line in problems if str(spooled) in line]
    spooled.rmdir()
    kept.rename(spooled)
    _heal(bench)


def _key_of(bench: Bench, batch: Batch) -> str:
    (submission,) = bench.engine.find(batch.tag)[0]
    return submission.key


def test_a_folder_in_place_of_a_delivered_file_stops_no_other(bench: Bench) -> None:
    _two(bench)
    remove = _in_the_way(bench.folder.staging / f"sick-results-{DATE}.jsonl")
    problems = _poll(bench)
    assert _delivered(bench) == {"healthy"}
    assert [line for line in problems if f"Cannot deliver sick of {DATE}" in line]
    remove()
    _heal(bench)


@pytest.mark.parametrize(
    "mirror", ["batch-jobs.jsonl", "batch-errors.jsonl", "batch-cost-log.jsonl"]
)
def test_a_folder_in_place_of_a_mirror_stops_neither_a_submit_nor_a_poll(
    bench: Bench, mirror: str
) -> None:
    remove = _in_the_way(bench.folder.root / mirror)
    _two(bench)
    problems = _poll(bench)
    assert _delivered(bench) == {"sick", "healthy"}
    assert [line for line in problems if mirror in line]
    remove()
    _heal(bench)
    assert (bench.folder.root / mirror).is_file()


def test_a_line_that_cannot_be_mirrored_stops_no_other_mirror(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(mirrors, "_job_lines", breaks(ValueError(SECRET))(mirrors._job_lines))
        _two(bench)
        problems = _poll(bench)
        assert bench.folder.cost_mirror.read_text().count("\n") == 2
        assert SECRET not in "".join(problems)
    _heal(bench)
    assert bench.folder.jobs_mirror.read_text().count("\n") >= 2
