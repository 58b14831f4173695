"""The jobs of a run with kills: what a number stands for, the same in each process."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from kill.worker import START
from msgspec.structs import replace
from simulation.jobs import REASK, SCHEMA
from support.builders import a_request

import titan_batch
from core.clock import SystemClock
from core.intake.options import SubmitOptions
from state.model.records import OnFailure

_SCHEMA = "schema.json"
WORKFLOWS = tuple(f"flow-{number}" for number in range(5))
# Run by the job's `on_delivery`: notes the content it saw, and a run that is not alone.
_HOOK = """#!/bin/sh
log="$TITAN_HOME-hooks"
lock="$TITAN_HOME-locks/${1##*/}"
mkdir -p "$TITAN_HOME-locks"
mkdir "$lock" 2>/dev/null || { echo "together ${1##*/}" >>"$log"; exit 0; }
echo "began ${1##*/}" >>"$log"
sleep 0.05
chance=$(od -An -N1 -tu1 /dev/urandom)
sum=$(gzip -c "$1" | tail -c8 | head -c4 | od -An -tu4 | tr -d " ")
rmdir "$lock"
[ "$chance" -lt 20 ] && { echo "killed ${1##*/}" >>"$log"; kill -9 $$; }
echo "ended ${1##*/} $sum" >>"$log"
"""


@dataclass(frozen=True)
class Job:
    """A job: some requests of one workflow and one day."""

    number: int

    @property
    def tag(self) -> str:
        return f"job-{self.number}"

    @property
    def on_failure(self) -> Literal["queue", "sync"]:
        return "sync" if self.number % 4 == 0 else "queue"

    @property
    def by_file(self) -> bool:
        """Whether the command line submits it."""
        return self.number % 3 == 0

    @property
    def is_structured(self) -> bool:
        """Whether its answers have a schema, and are asked for again where they do not match."""
        return self.number % 7 < 4

    @property
    def count(self) -> int:
        return 12 if self.on_failure == "sync" else self.number % 4 + 1

    @property
    def workflow(self) -> str:
        return WORKFLOWS[self.number % len(WORKFLOWS)]

    def requests(self) -> list[dict[str, Any]]:
        day = START.day - self.number // len(WORKFLOWS) % 20
        name = f"{self.workflow}-2026-11-{day:02d}-{self.number:05d}"
        return [a_request(f"{name}{index:02d}") for index in range(self.count)]

    def options(self, now: datetime) -> SubmitOptions:
        """Its options, some with a deadline."""
        deadline = now + timedelta(hours=4) if self.number % 11 == 0 else None
        options = SubmitOptions(
            tag=self.tag, deadline=deadline, on_failure=OnFailure(self.on_failure)
        )
        return replace(options, output=SCHEMA, reask=REASK) if self.is_structured else options

    def submit(self) -> str:
        """Submit it as a scheduled job does, also after a kill; its key."""
        options = self.options(SystemClock().now())
        return titan_batch.submit(
            self.requests(),
            tag=self.tag,
            deadline=options.deadline,
            on_failure=self.on_failure,
            output=options.output,
            reask=options.reask,
        )

    def words(self, folder: Path) -> list[str]:
        """The arguments with which the command line submits it."""
        words = [str(self._write(folder)), "--tag", self.tag, "--on-failure", self.on_failure]
        if self.is_structured:
            schema = folder.with_name(_SCHEMA)
            words += ["--schema", str(schema), "--reask", str(REASK)]
        return words

    def _write(self, folder: Path) -> Path:
        path = folder / f"{self.tag}.jsonl"
        if not path.exists():
            path.write_text("".join(json.dumps(request) + "\n" for request in self.requests()))
        return path


def write_settings(home: Path, *, has_mirrors: bool = False) -> None:
    """A titan.toml with delivery hooks for three of the workflows, one with automatic replay.

    Beside the folder is the schema that the command line is given.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.with_name(_SCHEMA).write_text(json.dumps(SCHEMA))
    hook = home.parent / "hook.sh"
    hook.write_text(_HOOK)
    command = json.dumps(["sh", str(hook), "{file}"])
    common = 'workload = "w"\nschedule = "daily"\non_delivery_timeout_s = 600'
    jobs = [f"[jobs.{name}]\n{common}\non_delivery = {command}\n" for name in WORKFLOWS[:3]]
    text = "[workloads.w]\n" + "".join(jobs) + 'replay = "auto"\n'
    if has_mirrors:
        text += "[ledger]\nmirrors = true\n"
    (home / "titan.toml").write_text(text)
