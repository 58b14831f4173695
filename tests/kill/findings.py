"""Checks after a run with kills: ledger, files and hooks against the server's bill."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from kill.jobs import Job
from kill.sandbox import KillSandbox
from kill.worker import RunTarget
from simulation import checks, sync_bill
from simulation.file_checks import file_findings
from simulation.jobs import follow_ups_of
from simulation.oracle import Oracle, read_oracle
from support.ledgers.readable_copy import host_views, rows_in_sqlite

from state.db.connection import connect, sqlite3
from state.files.folder import Folder


@dataclass
class _Made:
    tag: str
    count: int
    most_follow_ups: int
    keys: set[str]
    # A fallback file may give any of them a second key.
    fell_back: bool = True


@dataclass(frozen=True, kw_only=True)
class Bill:
    """The server's bill and the ledger's total, in nano-dollars."""

    batches: int
    calls: int
    ledger: int
    # Billed calls that are not in the ledger, and what it warned of.
    lost: int
    lost_calls: int
    warned_calls: int
    duplicates: int

    @property
    def server(self) -> int:
        return self.batches + self.calls

    @property
    def is_equal(self) -> bool:
        """Whether the ledger and the calls that were lost with a kill are the server's bill."""
        return self.server == self.ledger + self.lost


def findings(target: RunTarget, sandbox: KillSandbox, jobs: int) -> Iterator[str]:
    """One line per violation."""
    with closing(connect(target.home / "titan.db")) as ledger:
        yield from ledger_findings(target, ledger, sandbox, jobs)
        yield from _calls_are_billed(ledger, sandbox.calls)
        yield from file_findings(Folder(target.home), ledger, read_oracle(sandbox))
        yield from _hooks_ran([target], ledger)
        yield from _backups_are_whole(target)


def findings_among_hosts(
    hosts: Sequence[RunTarget], url: str, sandbox: KillSandbox, jobs: int
) -> Iterator[str]:
    """One line per violation, where several hosts share a ledger in PostgreSQL."""
    folders = [host.folder for host in hosts]
    with rows_in_sqlite(url) as ledger, host_views(url, folders) as views:
        yield from ledger_findings(hosts[0], ledger, sandbox, jobs)
        yield from _calls_are_billed(ledger, sandbox.calls)
        for view in views:
            yield from file_findings(view, ledger, read_oracle(sandbox))
        yield from _hooks_ran(hosts, ledger)


def findings_after_loss(target: RunTarget, sandbox: KillSandbox, jobs: int) -> Iterator[str]:
    """One line per violation of what a rebuilt ledger must hold, too."""
    with closing(connect(target.home / "titan.db")) as ledger:
        yield from ledger_findings(target, ledger, sandbox, jobs)


def ledger_findings(
    target: RunTarget, ledger: sqlite3.Connection, sandbox: KillSandbox, jobs: int
) -> Iterator[str]:
    """One line per violation in the rows."""
    oracle = read_oracle(sandbox)
    yield from checks._integrity(ledger)
    made = _made(target, jobs)
    yield from checks._nothing_lost(ledger, made)
    yield from checks._nothing_stuck(ledger)
    yield from checks._one_answer(ledger)
    yield from checks._bounded(ledger, made)
    yield from checks._ledger_is_bill(ledger, oracle)
    yield from checks._sums(ledger)
    yield from _payments_are_shown(ledger, sandbox, oracle)
    yield from _posted_once(sandbox)
    if not bill(ledger, sandbox, oracle).is_equal:
        yield f"P3: {bill(ledger, sandbox, oracle)}"


def bill(ledger: sqlite3.Connection, sandbox: KillSandbox, oracle: Oracle) -> Bill:
    """The two totals, compared to the nano-dollar."""
    (total,) = ledger.execute("SELECT coalesce(sum(cost_nano), 0) FROM attempts").fetchone()
    (duplicates,) = ledger.execute(
        "SELECT coalesce(sum(cost_nano), 0) FROM attempts WHERE duplicate = 1"
    ).fetchone()
    lost = [cost for found in _lost(ledger, sandbox.calls).values() for cost in found.elements()]
    (interrupted,) = ledger.execute(
        "SELECT coalesce(sum(json_extract(detail, '$.requests')), 0) FROM events WHERE kind IN"
        " ('batch.possible_duplicate_charge', 'submission.possible_duplicate_charge')"
    ).fetchone()
    rows = (row for found in oracle.ours.values() for row in found.values())
    return Bill(
        batches=sum(row.cost_nano for row in rows),
        calls=sum(map(sum, sandbox.calls.values())),
        ledger=total,
        lost=sum(lost),
        lost_calls=len(lost),
        warned_calls=interrupted,
        duplicates=duplicates,
    )


def _made(target: RunTarget, jobs: int) -> list[_Made]:
    """Every job, with the keys that its processes got."""
    keys: dict[int, set[str]] = {}
    path = target.beside("keys")
    for line in path.read_text().splitlines() if path.exists() else ():
        number, _, key = line.partition(" ")
        keys.setdefault(int(number), set()).add(key)
    return [
        _Made(
            job.tag, job.count, follow_ups_of(is_structured=job.is_structured), keys.get(n, set())
        )
        for n, job in enumerate(map(Job, range(1, jobs + 1)), 1)
    ]


def _lost(ledger: sqlite3.Connection, calls: Mapping[str, list[int]]) -> dict[str, Counter[int]]:
    """The costs of billed synchronous calls that are not in the ledger, by custom_id."""
    known: dict[str, Counter[int]] = {}
    for custom_id, cost in ledger.execute(
        "SELECT r.custom_id, a.cost_nano FROM attempts a JOIN batches b ON b.id = a.batch_id"
        " JOIN requests r ON r.id = a.request_id WHERE b.kind = 'sync' AND a.outcome = 'succeeded'"
    ).fetchall():
        known.setdefault(custom_id, Counter())[cost] += 1
    return {name: Counter(costs) - known.get(name, Counter()) for name, costs in calls.items()}


def _calls_are_billed(ledger: sqlite3.Connection, calls: Mapping[str, list[int]]) -> Iterator[str]:
    """Each call in the ledger is on the bill; a billed call that is not has a warning."""
    for custom_id, cost, count in ledger.execute(
        "SELECT r.custom_id, a.cost_nano, count(*) FROM attempts a"
        " JOIN batches b ON b.id = a.batch_id JOIN requests r ON r.id = a.request_id"
        " WHERE b.kind = 'sync' AND a.outcome = 'succeeded' GROUP BY r.custom_id, a.cost_nano"
    ).fetchall():
        if calls.get(custom_id, []).count(cost) < count:
            yield f"P3: {count} calls of {custom_id} for {cost} are not on the bill"
    tags = dict(ledger.execute("SELECT custom_id, tag FROM requests").fetchall())
    lost: Counter[str] = Counter()
    for custom_id, costs in _lost(ledger, calls).items():
        lost[tags[custom_id]] += costs.total()
    for tag, count in lost.items():
        warned = sync_bill._warned(ledger, tag)
        if count > warned:
            yield f"P3: {count} billed calls of {tag} are not in the ledger, warned of {warned}"


def _payments_are_shown(
    ledger: sqlite3.Connection, sandbox: KillSandbox, oracle: Oracle
) -> Iterator[str]:
    """Of what was paid more than once, each payment but the first is a duplicate or was lost."""
    paid: Counter[str] = Counter()
    for rows in oracle.ours.values():
        paid.update(name for name, row in rows.items() if row.outcome == "succeeded")
    paid.update({name: len(costs) for name, costs in sandbox.calls.items()})
    lost = _lost(ledger, sandbox.calls)
    shown = dict(
        ledger.execute(
            # An answer that is asked for again is paid for again.
            "SELECT r.custom_id, sum(a.duplicate OR a.outcome = 'missing'"
            " OR (a.edit_id IS NOT NULL AND a.outcome = 'succeeded')) FROM attempts a"
            " JOIN requests r ON r.id = a.request_id GROUP BY r.id"
        ).fetchall()
    )
    for name, count in paid.items():
        if count - 1 > shown.get(name, 0) + lost.get(name, Counter()).total():
            yield f"P4: {name} was paid {count} times, and the ledger shows {shown.get(name)}"


def _posted_once(sandbox: KillSandbox) -> Iterator[str]:
    """Wire ids are unique to a batch, and a batch is posted once."""
    posts = Counter(post.custom_ids for post in sandbox.billing_log().posts)
    yield from (f"P4: posted {n} times: {ids[0]}" for ids, n in posts.items() if n > 1)


def _hooks_ran(targets: Sequence[RunTarget], ledger: sqlite3.Connection) -> Iterator[str]:
    """Each hook saw the file as it was delivered last, and no two ran together."""
    for target in targets:
        lines = hook_lines(target)
        yield from (
            f"hook: two for one file at once: {line}" for line in lines if line[:8] == "together"
        )
        yield from _ended_last(
            target, {line for line in lines if line.startswith("ended ")}, ledger
        )


def hook_lines(target: RunTarget) -> list[str]:
    """What the hooks of one home have noted."""
    return target.hooks.read_text().splitlines() if target.hooks.exists() else []


def _ended_last(target: RunTarget, ended: set[str], ledger: sqlite3.Connection) -> Iterator[str]:
    for row in ledger.execute(
        "SELECT * FROM hook_runs WHERE state <> 'none' AND host IN ('', ?)", (target.home.name,)
    ).fetchall():
        if row["state"] != "done":
            yield f"hook: the one of {row['file']} is {row['state']}, {row['problem']}"
        elif f"ended {row['file']} {_cksum(target.home / 'staging' / row['file'])}" not in ended:
            yield f"hook: the one of {row['file']} did not see its last content"


def _backups_are_whole(target: RunTarget) -> Iterator[str]:
    for path in (target.home / "backups").glob("*.db"):
        backup = connect(path)
        try:
            yield from (f"backup {path.name}: {line}" for line in checks._integrity(backup))
        finally:
            backup.close()


def _cksum(path: Path) -> str:
    return str(crc32(path.read_bytes()))
