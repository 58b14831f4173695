"""docs/json.md against the real output of every command, and against every error code."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from support.processes.json_outputs import outputs
from support.processes.terminal import Terminal

from titan_console.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "json.md").read_text("utf-8")
_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+?) \| ([^|]+?) \| (.+) \|$", re.MULTILINE)
_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
}
# Commands that print no data, `query`, whose keys are those of the query, and `metrics`, whose
# format is that of Prometheus.
_WITHOUT = {"serve", "mcp", "completion", "withdraw", "query", "metrics"}
# Their output is that of `replay`.
_LIKE_REPLAY = {"cancel", "sync", "acknowledge", "pause", "resume"}


@dataclass(frozen=True)
class Key:
    """A documented key."""

    owner: str
    name: str
    type: str
    null: str
    is_optional: bool


def _sections() -> dict[str, dict[str, Key]]:
    """The keys of every record and command; `The keys of [X]` are copied in."""
    found: dict[str, dict[str, Key]] = {}
    for part in re.split(r"^### ", PAGE.split("## Records")[1], flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        name = title.strip("` ")
        keys = {
            row[1]: Key(name, row[1], row[2], row[3], "optional" in row[4])
            for row in _ROW.finditer(body)
        }
        base = re.search(r"The keys of \[(\w+)\]", body)
        if not keys:
            base = re.search(r"\[(\w+)\]\(#", body)
        found[name] = {**(found[base[1]] if base else {}), **keys}
    return found


class Comparison:
    """Walks real output along the page; `problems` are the differences, `seen` what was there."""

    def __init__(self) -> None:
        self.sections = _sections()
        self.problems: set[str] = set()
        self.seen: set[Key] = set()

    def record(self, name: str, value: Any) -> None:
        """Compare one object with a record or a command."""
        if not isinstance(value, dict):
            self.problems.add(f"{name}: {value!r:.60} is no object")
            return
        found = cast("dict[str, Any]", value)
        keys = self.sections[name]
        self.problems |= {f"{name}: {key} is not documented" for key in found.keys() - keys.keys()}
        for key in keys.values():
            if key.name in found:
                self._value(key, found[key.name])
            elif not key.is_optional:
                self.problems.add(f"{name}: {key.name} is absent")

    def _value(self, key: Key, value: Any) -> None:
        if value is None:
            if key.null == "-":
                self.problems.add(f"{key.owner}.{key.name} is null")
            return
        self.seen.add(key)
        self._typed(key, key.type, value)

    def _typed(self, key: Key, type_: str, value: Any) -> None:
        if type_.endswith("[]") and isinstance(value, list):
            for one in cast("list[Any]", value):
                self._typed(key, type_[:-2], one)
        elif type_.startswith("map of ") and isinstance(value, dict):
            for one in cast("dict[str, Any]", value).values():
                self._typed(key, type_.removeprefix("map of "), one)
        elif type_ in self.sections:
            self.record(type_, value)
        elif not _is_of(type_, value):
            self.problems.add(f"{key.owner}.{key.name} is {value!r:.60}, not {type_}")

    def unseen(self) -> set[str]:
        """Documented keys that no output had with a value; `always` null ones are left out."""
        keys = {key for keys in self.sections.values() for key in keys.values()}
        shown = {(key.owner, key.name) for key in self.seen}
        return {
            f"{key.owner}.{key.name}"
            for key in keys
            if (key.owner, key.name) not in shown and not key.null.startswith("always")
        }


def _is_of(type_: str, value: Any) -> bool:
    wanted = _JSON_TYPES.get(type_)
    return (
        wanted is not None
        and isinstance(value, wanted)
        and (type_ == "boolean" or not isinstance(value, bool))
    )


def test_real_output_and_the_page_agree_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    compared = Comparison()
    for section, found in outputs(tmp_path).items():
        assert section in compared.sections, f"no section {section}"
        for value in found:
            compared.record(section, value)
    assert sorted(compared.problems) == []
    assert sorted(compared.unseen()) == []


def test_every_command_has_a_section() -> None:
    documented = {name.split()[0] for name in _sections()}
    assert set(COMMANDS) - documented - _WITHOUT - _LIKE_REPLAY == set()


def _documented_codes() -> set[str]:
    table = PAGE.split("## Errors")[1].split("## Records")[0]
    return set(re.findall(r"^\| `([a-z0-9_]+)` \|", table, re.MULTILINE))


def _codes_of(path: Path) -> Iterator[str]:
    """Every error code that a module spells out."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        found = _code_in(node)
        if isinstance(found, ast.Constant) and isinstance(found.value, str):
            yield found.value
        # `check` of a record of titan.toml yields key, code and message.
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
            code = node.value.elts[1]
            if "config" in path.parts and isinstance(code, ast.Constant):
                yield str(code.value)


def _code_in(node: ast.AST) -> ast.expr | None:
    match node:
        case ast.keyword(arg="code", value=found):
            return found
        case ast.AnnAssign(target=ast.Name(id="code" | "default_code"), value=found):
            return found
        case ast.Assign(targets=[ast.Name(id="default_code")], value=found):
            return found
        case ast.Call(func=ast.Name(id="Problem"), args=[_, _, found, *_]):
            return found
        case ast.Call(func=ast.Name(id="print_error"), args=[found, *_]):
            return found
        case _:
            return None


def test_the_page_lists_exactly_the_error_codes() -> None:
    used: defaultdict[str, list[str]] = defaultdict(list)
    for package in ("core", "state", "titan_batch", "titan_console"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for code in _codes_of(path):
                used[code].append(path.name)
    assert sorted(_documented_codes() ^ set(used)) == []


def test_an_error_is_one_object_on_stderr(tmp_path: Path) -> None:
    done = Terminal(tmp_path).run("show", "nothing", "--json")
    (line,) = done.err.splitlines()
    assert json.loads(line)["error"]["code"] == "ledger_missing"
    assert (done.code, done.out) == (3, "")
