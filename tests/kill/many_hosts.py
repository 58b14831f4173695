"""kill -9 on hosts that share a ledger in PostgreSQL: a slow network, clocks that differ.

`python tests/kill/run.py --hosts 3 --kills 300`.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from kill.findings import bill, findings_among_hosts, hook_lines
from kill.jobs import write_settings
from kill.kill_runner import Orders, Report
from kill.outcome import Outcome, crash_points
from kill.process import server_clock
from kill.sandbox import KillSandbox, changing_faults
from kill.to_the_end import run_processes, run_to_end
from kill.worker import AT_ONCE, KEY, SPEED, RunTarget, SharedClock, real_monotonic
from simulation.mutants.patching import patched
from simulation.oracle import read_oracle
from support.ledgers.readable_copy import rows_in_sqlite
from support.processes.postgres_server import the_server
from support.processes.slow_proxy import SlowProxy

from core.config.settings import Settings
from state.db.postgres.ledger import PostgresLedger
from state.model.ledger_url import LedgerUrl
from titan_console.sandbox.http.server import running

# 20 ms to the server and back.
_DELAY_S = 0.01
_APART_S = 3600.0
_NO_LOSS = Report(killed={}, ended={}, codes={}, damage={}, errors=[], jobs=0, copies=0)


def run_hosts(
    folder: Path,
    *,
    count: int,
    kills: int,
    seed: int,
    delay_s: float = _DELAY_S,
    at_once: int = AT_ONCE,
) -> Outcome:
    """One run with homes in that folder: until so many kills."""
    server = the_server()
    database = server.new_database()
    homes = [folder / f"host-{number + 1}" for number in range(count)]
    for home in homes:
        write_settings(home, has_mirrors=True)
    clock = SharedClock(real_monotonic(), SPEED)
    sandbox = KillSandbox(clock, seed=seed)
    with ExitStack() as stack:
        address = stack.enter_context(running(sandbox))
        proxy = SlowProxy(server.socket, delay_s=delay_s)
        stack.callback(proxy.close)
        orders = Orders(
            home=str(homes[0]),
            address=address,
            origin=clock.origin,
            speed=SPEED,
            seed=seed,
            at_once=at_once,
            kills=kills,
            seconds=1e9,
            killed_share=0.85,
            ledger=f"postgresql://titan@127.0.0.1:{proxy.port}/{database}",
            # The first is behind, the second right, the third ahead.
            hosts={str(home): (at - 1) * _APART_S for at, home in enumerate(homes)},
        )
        with changing_faults(sandbox, seed):
            report = run_processes(orders)
        _use_clock_here(stack, clock)
        return _outcome(orders.targets, server.url(database), sandbox, clock, report)


def _use_clock_here(stack: ExitStack, clock: SharedClock) -> None:
    """That of the server is the shared one also in this process."""
    for name, read in server_clock(clock).items():
        stack.enter_context(patched(PostgresLedger, name, read))


def _outcome(
    hosts: Sequence[RunTarget], url: str, sandbox: KillSandbox, clock: SharedClock, report: Report
) -> Outcome:
    settings = [
        Settings(
            home=host.home,
            base_url=host.address,
            api_key=KEY,
            ledger_url=LedgerUrl(url),
            host=host.home.name,
        )
        for host in hosts
    ]
    polls = run_to_end(settings, hosts[0], clock, report.jobs)
    found = [*report.errors, *findings_among_hosts(hosts, url, sandbox, report.jobs)]
    with rows_in_sqlite(url) as ledger:
        (imports,) = ledger.execute("SELECT count(*) FROM fallback_imports").fetchone()
        (follow_ups,) = ledger.execute("SELECT count(DISTINCT edit_id) FROM attempts").fetchone()
        billed = bill(ledger, sandbox, read_oracle(sandbox))
    return Outcome(
        report=report,
        after_loss=_NO_LOSS,
        crash_points=crash_points(hosts[0]),
        hooks=Counter(line.split()[0] for host in hosts for line in hook_lines(host)),
        faults=sandbox.hits,
        polls=polls,
        fallback_imports=imports,
        follow_ups=follow_ups,
        bill=billed,
        findings=found,
    )
