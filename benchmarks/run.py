"""Measures Titan Console, the bare SDK and peers side by side, and writes docs/benchmarks.md.

    python benchmarks/run.py [--sizes 1000,10000,100000] [--runs 3] [--peers]
        [--attempts 10000000] [--compared 1000000] [--before PYTHON]

Every figure covers a whole process, measured from outside, against one loopback server; the
programs alternate, and the page shows medians. It fails only on wrong results.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import report
import scenarios
import versions
from many_hosts import many_hosts
from measure import (
    TEXT,
    Figure,
    Run,
    Server,
    WrongResultError,
    environment,
    median,
    run,
    serving,
    write_requests,
)
from programs import PEERS, Peer, download, peer_python, sdk_create, sdk_results, titan

_DOCS = Path(__file__).parent.parent / "docs"
# A peer takes many minutes for more requests than this.
_PEERS_MOST = 10_000
# Create, retrieve, results.
_CALLS_AT_LEAST = 3


def measure_size(count: int, runs: int, folder: Path) -> dict[str, Figure]:
    """Medians of every step at one size, by name."""
    source = write_requests(folder / f"{count}.jsonl", count)
    found: dict[str, list[Run]] = defaultdict(list)
    with serving() as server:
        for number in range(runs):
            for name, done in _one_round(server, source, count, folder / f"{count}-{number}"):
                found[name].append(done)
                print(f"{count:>9,}  {name:<22} {done.wall_s:7.2f} s  {done.peak_mb:5.0f} MB")
    source.unlink()
    return {name: median(done) for name, done in found.items()}


def _one_round(server: Server, source: Path, count: int, folder: Path) -> Iterator[tuple[str, Run]]:
    env = environment(server, folder / "home")
    folder.mkdir()
    created = run(sdk_create(source), env=env, server=server)
    yield "SDK create", created
    batch_id = created.output.strip()
    yield (
        "titan submit",
        run(titan("submit", str(source), "--tag", "bench"), env=env, server=server),
    )
    counted = run(sdk_results(batch_id), env=env, server=server)
    if int(counted.output) != count:
        raise WrongResultError(f"the SDK found {counted.output} results, not {count}")
    yield "SDK results", counted
    yield "raw download, fsync", run(download(batch_id, folder / "raw"), env=env, server=server)
    polled = run(titan("--poll", "--json"), env=env, server=server)
    if json.loads(polled.output)["results"] != count:
        raise WrongResultError(f"collected {polled.output}, not {count} results")
    yield "titan --poll", polled
    yield "titan --poll, idle", run(titan("--poll"), env=env, server=server)
    yield "titan status", run(titan("status", "--json"), env=env, server=server)
    shutil.rmtree(folder)


def measure_table(count: int, runs: int, folder: Path) -> Figure:
    """`titan-console run` over a table with the prompts that the peers send."""
    folder.mkdir()
    table, prompt = folder / "articles.csv", folder / "prompt.txt"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("number", "text"))
        writer.writerows((number, TEXT) for number in range(count))
    prompt.write_text("{number}: {text}")
    command = titan("run", str(table), "--prompt", str(prompt), "--max-tokens", "64", "--yes")
    done: list[Run] = []
    with serving() as server:
        for number in range(runs):
            env = environment(server, folder / f"home-{number}")
            out = folder / f"out-{number}.csv"
            done.append(run([*command, "--wait", "-o", str(out)], env=env, server=server))
            with out.open(newline="") as file:
                written = sum(1 for row in csv.DictReader(file) if row["answer"])
            if written != count:
                raise WrongResultError(f"the table has {written} answers, not {count}")
    return median(done)


def measure_peer(peer: Peer, sizes: list[int], folder: Path) -> dict[int, Figure] | str:
    """The peer's medians by size, or the reason why there are none."""
    version = ".".join(map(str, peer.python))
    interpreter = (
        sys.executable if sys.version_info >= peer.python else shutil.which(f"python{version}")
    )
    if interpreter is None:
        return f"could not be installed (needs Python {version})"
    home = folder / peer.name
    try:
        subprocess.run([interpreter, "-m", "venv", home / "venv"], check=True, capture_output=True)
        python = peer_python(home / "venv")
        install = [python, "-m", "pip", "install", "-q", *peer.package.split()]
        subprocess.run(install, check=True, capture_output=True)
    except (subprocess.CalledProcessError, OSError) as error:
        return f"could not be installed ({type(error).__name__})"
    found: dict[int, Figure] = {}
    for count in (size for size in sizes if size <= _PEERS_MOST):
        try:
            with serving() as server:
                found[count] = _peer_run(peer, python, count, home / str(count), server)
        except WrongResultError as error:
            return f"did not run here: {' '.join(str(error).split())[-160:]}"
    return found


def _peer_run(peer: Peer, python: str, count: int, folder: Path, server: Server) -> Figure:
    folder.mkdir()
    env = environment(server, folder) | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    given = f"import os\nos.chdir({str(folder)!r})\nn, text = {count}, {TEXT!r}\n"
    done = run([python, "-c", given + peer.program], env=env, server=server)
    if done.calls < _CALLS_AT_LEAST:
        raise WrongResultError(f"it made {done.calls} calls, which is no batch with its results")
    return median([done])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", action="store_true", help="install and measure peers too")
    parser.add_argument("--attempts", type=int, default=10_000_000, help="of the large ledger")
    parser.add_argument("--compared", type=int, default=1_000_000, help="requests of both versions")
    parser.add_argument("--before", help="an interpreter with an earlier version, to compare with")
    parser.add_argument("--output", type=Path, default=_DOCS, help="the folder of benchmarks.md")
    return parser.parse_args()


def main() -> None:
    """Measure and write the page."""
    given = _arguments()
    sizes = [int(size) for size in given.sizes.split(",")]
    # Before the measurements, which take half an hour.
    given.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {count: measure_size(count, given.runs, folder) for count in sizes}
        findings = list(report.ratios(figures[max(sizes)], max(sizes)))
        compared = versions.compare(folder, given.before, given.compared)
        wrong: list[str] = []
        for scenario in (
            scenarios.collecting(folder, max(sizes), given.runs),
            scenarios.starts(folder),
            scenarios.open_batches(folder),
            scenarios.synchronous(folder),
            scenarios.eight_at_once(folder),
            scenarios.whole_limits(folder),
            scenarios.replay(folder),
            many_hosts(folder, max(sizes), 256, given.runs),
            scenarios.large_ledger(folder, given.attempts),
            versions.findings(folder, compared),
        ):
            try:
                for finding in scenario:
                    print(finding)
                    findings.append(finding)
            except WrongResultError as error:
                print(f"wrong: {error}")
                wrong.append(str(error))
        peers: dict[str, dict[int, Figure] | str] = {}
        if given.peers:
            peers["titan run"] = {
                count: measure_table(count, given.runs, folder / f"table-{count}")
                for count in sizes
                if count <= _PEERS_MOST
            }
            peers |= {peer.name: measure_peer(peer, sizes, folder) for peer in PEERS}
    where = (
        f"Python {platform.python_version()} on {platform.system()}, {os.cpu_count()} processors"
    )
    report.write(given.output, figures, findings, compared, peers, runs=given.runs, where=where)
    print(f"written: {given.output / 'benchmarks.md'}", file=sys.stderr)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
