"""docs/architecture.md shows the package graph as it is, and every path in it exists."""

import re
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
TOPS = ("state", "core", "titan_console")
Edges = set[tuple[str, str]]


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("state", "core", "titan_batch", "titan_console")


def package_of(module: str, top: str) -> str | None:
    """The package of a module directly under `top`; None for one that is elsewhere."""
    parts = module.split(".")
    return parts[1] if parts[0] == top and len(parts) > 1 else None


def package_imports(top: str) -> Edges:
    graph = imports()
    return {
        (source, target)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if (source := package_of(module, top)) and (target := package_of(imported, top))
        if source != target
    }


def reduced(edges: Edges) -> Edges:
    """Without the edges that a longer path implies."""
    targets = {source: {t for s, t in edges if s == source} for source, _ in edges}

    def reachable(source: str) -> set[str]:
        direct = targets.get(source, set[str]())
        return direct.union(*map(reachable, direct))

    return {
        (source, target)
        for source, target in edges
        if not any(target in reachable(other) for other in targets[source] - {target})
    }


@pytest.mark.parametrize("top", TOPS)
def test_the_package_graph_is_the_import_graph(top: str) -> None:
    block = re.search(rf"```mermaid\n%% {top}\n(.*?)```", PAGE, re.DOTALL)
    assert block
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)$", block[1], re.MULTILINE))
    right = reduced(package_imports(top))
    lines = "\n".join(f"  {source} --> {target}" for source, target in sorted(right))
    assert drawn == right, f"draw in docs/architecture.md, under `%% {top}`:\n{lines}"


def test_every_path_exists() -> None:
    paths = set(re.findall(r"\b(?:core|state|titan_\w+|tests|docs)/[\w./-]*[\w/]", PAGE))
    assert len(paths) > 50
    missing = sorted(path for path in paths if not (ROOT / path).exists())
    assert missing == []


def test_every_package_is_described() -> None:
    packages = [
        path.parent.relative_to(ROOT).as_posix()
        for top in TOPS
        for path in (ROOT / top).glob("*/__init__.py")
    ]
    assert [name for name in packages if f"`{name}/`" not in PAGE] == []
