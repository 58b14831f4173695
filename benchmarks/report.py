"""Writes docs/benchmarks.md and its charts."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from chart import chart
from measure import Figure
from programs import PEERS
from scenarios import Finding
from versions import Compared

from core.text import pluralize

Sizes = Mapping[int, Mapping[str, Figure]]
Peers = Mapping[str, Mapping[int, Figure] | str]

_TABLE = "`run --wait` over a CSV file of the same prompts: all of this and the table of answers"
_OURS = "`submit`, then `--poll`: ledger, spool, prices, delivered file; two processes"
_COMPARED = """One run each, in turn. Short requests, answers of 1.7 kB. The targets in seconds
were set on a machine where the earlier version took 34 s for `export --all` and 27 s for
`results`: compare the ratios. ADR 14 says what stands between a target and its figure.
"""
_NOTES = """
## How to read this

- Every figure covers a whole process: start, imports, work and end. The programs alternate, and
  the table shows medians. Compare ratios within one run; absolute seconds depend on the machine.
- The server (`benchmarks/server.py`) only counts requests and serves lines of 1.7 kB, so the
  figures measure the clients.
- **SDK create** sends a list and keeps no record of it. **titan submit** reads the same file,
  checks each request, writes all of it to the disk and to the ledger, and then sends it once.
- **SDK results** iterates over the results and stores nothing. **titan --poll** lists batches,
  downloads and decodes results strictly, prices each row, stores results and ledger rows with
  fsync, matches every id, and writes the delivered file (twice the size of the results) in input
  order.
- Importing the SDK takes one to two seconds per process. Titan Console speaks HTTP to the API
  directly, and imports the SDK only for a long synchronous answer.
- "Collecting" starts when everything is loaded and the batch is known to have ended, and ends when
  the ledger has every row; the SDK's iterator starts when the SDK is loaded.
- The other tools do less or more than Titan Console, as the notes say; their polling intervals are
  as short as they allow.
"""


def ratios(figures: Mapping[str, Figure], count: int) -> Iterator[Finding]:
    """Titan Console compared with the SDK alone, at the largest size."""
    submit, create = figures["titan submit"], figures["SDK create"]
    poll, results = figures["titan --poll"], figures["SDK results"]
    for what, ours, theirs, least in (
        (f"submit {count:,} requests: SDK time ÷ Titan Console time", submit, create, 1.5),
        (f"collect {count:,} results: SDK time ÷ `--poll` time", poll, results, 2.5),
    ):
        ratio = theirs.wall_s / ours.wall_s
        yield Finding(
            what=what, target=f"at least {least} x", measured=f"{ratio:.2f} x", met=ratio >= least
        )
    for what, figure in (("submit", submit), ("`--poll`", poll)):
        yield Finding(
            what=f"peak memory of {what}, {count:,} requests",
            target="at most 150 MB",
            measured=f"{figure.peak_mb:.0f} MB",
            met=figure.peak_mb <= 150,
        )


def write(
    folder: Path,
    sizes: Sizes,
    findings: list[Finding],
    compared: list[Compared],
    peers: Peers,
    *,
    runs: int,
    where: str,
) -> None:
    """Write the page and its charts."""
    names = list(next(iter(sizes.values())))
    for kind, unit in (("time", "seconds"), ("memory", "MB")):
        series = {
            name: [(count, _value(sizes[count][name], kind)) for count in sorted(sizes)]
            for name in names
        }
        title = f"{kind.capitalize()} of a whole process"
        (folder / f"benchmarks-{kind}.svg").write_text(chart(title, unit, series))
    page = [
        "# Benchmarks",
        f"\nWritten by `python benchmarks/run.py`: {where}, medians of {pluralize(runs, 'run')}.",
        "\n## Targets\n",
        "| measurement | target | measured | met |\n|---|---|---|---|",
        *(
            f"| {f.what} | {f.target} | {f.measured} | {'yes' if f.met else '**no**'} |"
            for f in findings
        ),
        "\n## Sizes\n",
        "| step | requests | seconds | CPU seconds | peak MB | calls |\n|---|--:|--:|--:|--:|--:|",
        *(
            f"| {name} | {count:,} | {f.wall_s:.2f} | {f.cpu_s:.2f} | {f.peak_mb:.0f}"
            f" | {f.calls:.0f} |"
            for name in names
            for count in sorted(sizes)
            for f in [sizes[count][name]]
        ),
        "\n![Time against size](benchmarks-time.svg)",
        "\n![Memory against size](benchmarks-memory.svg)",
        *_compared(compared),
        *_peers(peers, sizes),
        _NOTES,
    ]
    (folder / "benchmarks.md").write_text("\n".join(page))


def _both(figures: Mapping[str, Figure]) -> Figure:
    """Submit and poll together, as a peer does in one process: summed times, larger memory."""
    submit, poll = figures["titan submit"], figures["titan --poll"]
    return Figure(
        wall_s=submit.wall_s + poll.wall_s,
        cpu_s=submit.cpu_s + poll.cpu_s,
        peak_mb=max(submit.peak_mb, poll.peak_mb),
        calls=submit.calls + poll.calls,
    )


def _value(figure: Figure, kind: str) -> float:
    return figure.wall_s if kind == "time" else figure.peak_mb


def _compared(compared: list[Compared]) -> Iterator[str]:
    yield "\n## Before and now\n"
    yield _COMPARED
    yield "| command | requests | seconds before | seconds | peak MB before | peak MB |"
    yield "|---|--:|--:|--:|--:|--:|"
    for one in compared:
        before = one.before
        yield (
            f"| `{one.command}` | {one.requests:,} | {before.wall_s:.2f} | {one.now.wall_s:.2f}"
            f" | {before.peak_mb:.0f} | {one.now.peak_mb:.0f} |"
            if before
            else f"| `{one.command}` | {one.requests:,} | | {one.now.wall_s:.2f}"
            f" | | {one.now.peak_mb:.0f} |"
        )


def _peers(peers: Peers, sizes: Sizes) -> Iterator[str]:
    if not peers:
        return
    notes = {peer.name: peer.note for peer in PEERS} | {"titan": _OURS, "titan run": _TABLE}
    counts = {count for found in peers.values() if not isinstance(found, str) for count in found}
    ours = {count: _both(sizes[count]) for count in sorted(counts)}
    yield "\n## Other tools: submit and collect\n"
    yield "| tool | requests | seconds | CPU seconds | peak MB | calls | note |"
    yield "|---|--:|--:|--:|--:|--:|---|"
    for name, found in ({"titan": ours} | dict(peers)).items():
        if isinstance(found, str):
            yield f"| {name} | | | | | | skipped: {found} |"
            continue
        for count, figure in found.items():
            yield (
                f"| {name} | {count:,} | {figure.wall_s:.2f} | {figure.cpu_s:.2f}"
                f" | {figure.peak_mb:.0f} | {figure.calls:.0f} | {notes[name]} |"
            )
