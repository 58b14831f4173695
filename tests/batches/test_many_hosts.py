"""Hosts that share a ledger: any of them sends, collects and reads; each delivers its own."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.builders import Bench, a_bench, some_requests
from support.ledgers.postgres_database import an_empty_ledger

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.engine import Engine
from core.intake.options import SubmitOptions
from core.maintenance.prune import prune
from core.poll.poll_run import POLL_LEASE
from state.batches import leases
from state.files.folder import Folder
from state.model.errors import FileMissing
from state.model.ledger_url import LedgerUrl
from state.operations import hook_runs
from state.operations.commands import Action
from state.operations.selection import Filter
from titan_console.text.format import hook_run

FILE = "feed-classify-results-2026-11-22.jsonl"
JOB = """\
[workloads.t]
[jobs.feed-classify]
workload = "t"
schedule = "daily"
"""


class Hosts:
    """Homes of their own, one ledger, one API and one clock."""

    def __init__(self, bench: Bench, root: Path) -> None:
        self.bench = bench
        self._root = root

    def folder(self, name: str) -> Folder:
        return Folder(self._root / name, self.bench.folder.ledger_url)

    def on(self, name: str) -> Engine:
        """A process on the host of that name."""
        self.folder(name).root.mkdir(parents=True, exist_ok=True)
        return self.bench.new_engine(f"test@{name}:1", folder=self.folder(name))

    def write(self, name: str, titan_toml: str) -> None:
        self.folder(name).root.mkdir(parents=True, exist_ok=True)
        (self.folder(name).root / "titan.toml").write_text(titan_toml)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    database = an_empty_ledger()
    with a_bench(tmp_path / "bench", ledger_url=LedgerUrl(database.url)) as bench:
        yield Hosts(bench, tmp_path)
    database.clear()


def submit(engine: Engine, count: int = 3) -> str:
    options = SubmitOptions(tag="daily-feed")
    return engine.submit(some_requests(count), options).submission.key


def files(folder: Folder) -> list[str]:
    return sorted(
        f"{path.parent.name}/{path.name}" for path in folder.root.glob("*/*") if path.is_file()
    )


def test_each_host_goes_on_with_what_the_others_did(hosts: Hosts) -> None:
    bench = hosts.bench
    bench.faults.add("create:429:times=1")
    one, two, three = (hosts.on(name) for name in ("one", "two", "three"))
    key = submit(one)
    assert bench.sandbox.batches() == []
    bench.clock.advance(900)
    assert two.poll().sent == 1
    bench.clock.advance(120)
    done = two.poll()
    assert (done.collected, done.results, done.delivered) == (1, 3, [])
    assert done.elsewhere == [
        "1 finished submission left to the next poll of host one, which delivers them"
    ]
    assert [row["outcome"] for row in three.results(key)] == ["succeeded"] * 3
    assert files(hosts.folder("three")) == []
    assert three.poll().delivered == []
    assert one.poll().delivered == [FILE]
    assert (hosts.folder("one").staging / FILE).read_text().count('"succeeded"') == 3
    assert three.poll().elsewhere == []


def test_a_host_delivers_while_another_one_polls(hosts: Hosts) -> None:
    one, two = hosts.on("one"), hosts.on("two")
    submit(one)
    hosts.bench.clock.advance(120)
    assert two.poll().collected == 1
    context = two.context
    until = context.clock.now().replace(hour=23)
    assert leases.acquire(context.ledger, POLL_LEASE, "poller@two:7/x", until=until)
    summary = one.poll()
    assert (summary.ran, summary.delivered) == (False, [FILE])
    assert "poller@two:7" in summary.busy


def test_the_host_of_a_job_delivers_it(hosts: Hosts) -> None:
    hosts.write("one", f'{JOB}host = "two"\n')
    one, two = hosts.on("one"), hosts.on("two")
    submit(one)
    hosts.bench.clock.advance(120)
    assert one.poll().delivered == []
    assert two.poll().delivered == [FILE]


def test_an_unknown_host_of_a_job_is_named(hosts: Hosts) -> None:
    hosts.write("one", f'{JOB}host = "tow"\n')
    one, two = hosts.on("one"), hosts.on("two")
    two.poll()
    submit(one)
    hosts.bench.clock.advance(120)
    (left,) = one.poll().elsewhere
    assert "of host tow, which has never used the ledger: check host in their" in left


def test_what_a_lost_host_should_deliver_is_told_and_taken_over(hosts: Hosts) -> None:
    one, two = hosts.on("one"), hosts.on("two")
    submit(one)
    hosts.bench.clock.advance(120)
    two.poll()
    hosts.bench.clock.advance(3 * 3600)
    (problem,) = two.poll().problems
    assert "1 finished submission of host one not delivered since 2026-11-22T06:02" in problem
    hosts.write("two", f'{JOB}host = "two"\n')
    assert two.poll().delivered == [FILE]


HOOK = """on_delivery = ["/bin/sh", "-c", "echo {file} >> ran"]\n"""


def ran(folder: Folder) -> int:
    path = folder.root / "ran"
    return len(path.read_text().splitlines()) if path.exists() else 0


def kill_at(engine: Engine, point: str) -> None:
    def kill(reached: str) -> None:
        if reached == point:
            raise KeyboardInterrupt

    engine.context.ledger.crash_point = kill
    with pytest.raises(KeyboardInterrupt):
        engine.poll()


def lose_lease(engine: Engine) -> None:
    """The poll was killed: its lease is over when the next poll comes."""
    with engine.context.ledger.transaction("test"):
        engine.context.ledger.execute("DELETE FROM leases")


@pytest.mark.parametrize("lost", ["before its hook", "in its hook"])
def test_the_hook_of_a_lost_host_is_told_and_taken_over(hosts: Hosts, lost: str) -> None:
    hosts.write("one", f"{JOB}{HOOK}")
    hosts.write("two", f"{JOB}{HOOK}")
    one, two = hosts.on("one"), hosts.on("two")
    submit(one)
    hosts.bench.clock.advance(120)
    two.poll()
    if lost == "before its hook":
        one.context = replace(one.context, runs_hooks=False)
        assert one.poll().delivered == [FILE]
    else:
        kill_at(one, "hook:ran")
        (hosts.folder("one").root / "ran").unlink()
        lose_lease(two)
    hosts.bench.clock.advance(3 * 3600)
    (problem,) = two.poll().problems
    assert "on_delivery of 1 delivered file of host one has not ended since" in problem
    hosts.write("two", f'{JOB}{HOOK}host = "two"\n')
    done = two.poll()
    assert (done.delivered, done.problems) == ([FILE], [])
    assert (ran(hosts.folder("two")), ran(hosts.folder("one"))) == (1, 0)
    assert two.poll().delivered == []
    one.context = replace(one.context, runs_hooks=True)
    assert (one.poll().delivered, one.poll().problems) == ([], [])
    assert (ran(hosts.folder("two")), ran(hosts.folder("one"))) == (1, 0)


def test_a_hook_that_runs_on_its_host_is_not_taken_over_before_its_limit(hosts: Hosts) -> None:
    hosts.write("one", f"{JOB}{HOOK}")
    hosts.write("two", f'{JOB}{HOOK}host = "two"\n')
    one, two = hosts.on("one"), hosts.on("two")
    submit(one)
    hosts.bench.clock.advance(120)
    kill_at(one, "hook:ran")
    lose_lease(two)
    assert (two.poll().delivered, ran(hosts.folder("two"))) == ([], 0)
    hosts.bench.clock.advance(3600)
    assert (two.poll().delivered, ran(hosts.folder("two"))) == ([FILE], 1)


def test_a_failed_hook_names_its_host(hosts: Hosts) -> None:
    hosts.write("one", f"""{JOB}on_delivery = ["false"]\n""")
    one = hosts.on("one")
    submit(one)
    hosts.bench.clock.advance(120)
    one.poll()
    (run,) = hook_runs.failing(hosts.on("two").context.ledger)
    assert hook_run(run).startswith("on_delivery failed 1 time on host one, retry at ")


def test_a_hook_that_has_ended_is_not_taken_over(hosts: Hosts) -> None:
    hosts.write("one", f"{JOB}{HOOK}")
    hosts.write("two", f'{JOB}{HOOK}host = "two"\n')
    one, two = hosts.on("one"), hosts.on("two")
    submit(one)
    hosts.bench.clock.advance(120)
    assert (one.poll().delivered, ran(hosts.folder("one"))) == ([FILE], 1)
    hosts.bench.clock.advance(3 * 3600)
    done = two.poll()
    assert (done.delivered, done.problems, ran(hosts.folder("two"))) == ([], [], 0)


def test_a_host_without_a_hook_is_late_with_none(hosts: Hosts) -> None:
    one, two = hosts.on("one"), hosts.on("two")
    submit(one)
    hosts.bench.clock.advance(120)
    one.context = replace(one.context, runs_hooks=False)
    assert one.poll().delivered == [FILE]
    hosts.bench.clock.advance(3 * 3600)
    assert two.poll().problems == []


def test_rules_about_money_that_differ_are_a_warning(hosts: Hosts) -> None:
    hosts.write("one", f"{JOB}[budgets]\nday_usd = 5.0\n")
    hosts.write("two", f"{JOB}[budgets]\nday_usd = 7.0\n[console]\nmouse = false\n")
    one, two = hosts.on("one"), hosts.on("two")
    submit(one)
    (problem,) = two.poll().problems
    assert "titan.toml of host one differs from that of this host, two, in [budgets]:" in problem
    hosts.write("two", f"{JOB}[budgets]\nday_usd = 5.0\n")
    assert two.poll().problems == []
    assert one.poll().problems == []


def test_two_homes_of_one_host_name_are_told(hosts: Hosts) -> None:
    hosts.on("one").poll()
    other = hosts.bench.new_engine("test@one:2", folder=hosts.folder("other"))
    (problem,) = other.poll().problems
    assert "Another TITAN_HOME uses the ledger as host one, too" in problem


def test_a_replay_given_on_one_host_is_sent_by_another(hosts: Hosts) -> None:
    bench = hosts.bench
    bench.faults.add("row:overloaded:id=*-00002-*")
    one, two, three = (hosts.on(name) for name in ("one", "two", "three"))
    key = submit(one)
    bench.clock.advance(120)
    assert two.poll().failed == 1
    bench.faults.clear()
    request = CommandRequest(
        action=Action.REPLAY, wanted=Filter(names=("daily-feed",)), changes={"max_tokens": 99}
    )
    planned = planner.plan(three.context, request)
    planner.submit(three.context, planned, delay=timedelta())
    assert two.poll().sent == 1
    bench.clock.advance(120)
    two.poll()
    assert [row["outcome"] for row in three.results(key)] == ["succeeded"] * 3
    assert [post.custom_ids for post in bench.sandbox.billing_log().posts][1:]
    assert not list(hosts.folder("two").spool.glob("edit_*"))


def test_a_submit_that_is_killed_after_its_upload_leaves_what_a_poll_removes(hosts: Hosts) -> None:
    one, two = hosts.on("one"), hosts.on("two")

    def kill(point: str) -> None:
        if point == "submit:begin":
            raise KeyboardInterrupt

    one.context.ledger.crash_point = kill
    one.context.ledger.files.discard = lambda _: None  # pyright: ignore[reportAttributeAccessIssue] - a dead process discards nothing
    with pytest.raises(KeyboardInterrupt):
        submit(one)
    count = "SELECT count(*) FROM stored_files"
    assert two.context.ledger.rows(count)[0][0] == 1
    two.poll()
    assert two.context.ledger.rows(count)[0][0] == 1
    with two.context.ledger.transaction("test"):
        two.context.ledger.execute(
            "UPDATE stored_files SET written_at = now() - interval '25 hours'"
        )
    two.poll()
    assert two.context.ledger.rows(count)[0][0] == 0
    key = submit(hosts.on("one"))
    hosts.bench.clock.advance(120)
    two.poll()
    assert len(list(two.results(key))) == 3


def test_retention_on_one_host_takes_the_bodies_of_all(hosts: Hosts) -> None:
    one, two = hosts.on("one"), hosts.on("two")
    key = submit(one)
    hosts.bench.clock.advance(120)
    two.poll()
    one.poll()
    assert len(list(one.results(key))) == 3
    hosts.bench.clock.advance(91 * 86_400)
    now = hosts.bench.clock.now()
    done = prune(two.context, before=now - timedelta(days=90), compress_before=now)
    assert done.submissions == 1
    assert done.bytes_removed > 0
    for table in ("stored_files", "stored_pieces"):
        assert two.context.ledger.rows(f"SELECT count(*) FROM {table}")[0][0] == 0  # noqa: S608 - our own table
    with pytest.raises(FileMissing, match="were deleted on"):
        list(one.results(key))
    for path in hosts.folder("one").root.glob("*/tb_*"):
        os.utime(path, (0, 0))
    one.poll()
    assert files(hosts.folder("one")) == [f"staging/{FILE}"]
