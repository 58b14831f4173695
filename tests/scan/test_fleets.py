"""Two fleets of 35 tasks by an author who had not seen the scanner: verdicts and recorded usage.

`fleets/*.tar.xz` are home folders with `labels.json` (what moves, and whether as a whole or only in
steps) and `usage.json` (the true tokens of each task). docs/scan.md has the first figures.
"""

import json
import re
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.config.never_batch import NeverBatchList
from core.money.pricing import PriceBook
from core.scan import attribution, findings, transcripts
from core.scan.findings import Finding
from core.scan.score import Verdict
from core.scan.survey import survey

FLEETS = Path(__file__).parent / "fleets"
NOW = datetime(2026, 11, 30, 5, tzinfo=UTC)
# Entries of a crontab that the author named otherwise than their programs.
CRON_NAMES = {
    "pg_dump newsroom": "pg_dump",
    "council minutes summaries": "for-each-set-of-council",
    "rsync dms": "rsync",
    "claude vpnctl": "look-at-the-output-of",
    "certbot renew": "certbot",
}


def plain(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"[^a-z0-9]", "", CRON_NAMES.get(name, name).rpartition("/")[2].lower())


def scanned(fleet: str, folder: Path) -> tuple[dict[str, Finding], dict[str, dict[str, Any]]]:
    """The findings by plain name, and the author's files by name."""
    with tarfile.open(FLEETS / f"{fleet}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    if sys.platform != "win32":
        (folder / "circle").symlink_to(".", target_is_directory=True)
    read = survey([folder])
    recorded = transcripts.read_usage_of(
        read.transcripts, PriceBook(), now=NOW, days=30, problems=read.problems
    )
    usage = attribution.attribute(recorded, read.tasks, days=30)
    found = findings.judge(read.tasks, usage.by_task, NeverBatchList(), PriceBook(), at=NOW)
    assert read.problems == []
    truth = {
        name: json.loads((folder / f"{name}.json").read_text("utf-8"))
        for name in ("labels", "usage", "skills-labels")
    }
    return {plain(one.task.name): one for one in found}, truth


@pytest.mark.parametrize("fleet", ["one", "two"])
def test_the_verdicts_are_those_of_the_author_and_the_tokens_are_exact(
    fleet: str, tmp_path: Path
) -> None:
    found, truth = scanned(fleet, tmp_path)
    labels = {plain(name): label["verdict"] != "stay" for name, label in truth["labels"].items()}
    assert len(labels) == 35
    assert labels.keys() <= found.keys()
    moves = {name: found[name].score.verdict == Verdict.MOVE for name in labels}
    assert moves == labels
    for name, used in truth["usage"].items():
        month = found[plain(name)].month
        assert month is not None
        assert (month.runs, month.tokens_in, month.tokens_out, month.cache_read) == (
            used["runs"],
            used["input_tokens"] + used["cache_creation_input_tokens"],
            used["output_tokens"],
            used["cache_read_input_tokens"],
        )


@pytest.mark.parametrize(
    ("fleet", "name"), [("one", "letterspageshortlist"), ("two", "rivalprices")]
)
def test_the_texts_that_instruct_the_scanner_are_named(
    fleet: str, name: str, tmp_path: Path
) -> None:
    found, _ = scanned(fleet, tmp_path)
    assert {key for key, one in found.items() if one.score.addressed} == {name}
