"""Strings, comments and docs use standard terms, and cite only documents of this repository."""

import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A phrase that a reader of this repository stumbled over, as a regular expression.
BANNED = (
    r"\bnobody\b|\bsomebody\b|\banybody\b",
    r"\b(is|are|was|were|be) to be (had|seen|said|told|done)\b",
    r"\btak(e|es|en|ing) in for good\b",
    r"\bbegun anew\b|\bcopy the key anew\b|\b(made|open(ed)?|read|sent|asked) anew\b",
    r"\bmend(?:s|ed|ing)?\b",
    r"\btells? of\b|\btold of\b",
    r"\blets? go\b(?! of)",
    r"\b(comes|came|come) twice\b",
    r"\bis at it\b",
    r"\bof no use\b",
    r"\ball is well\b",
    r"\bin words\b",
    r"\bwhat (is|was) said\b",
    r"\bnothing is known as\b",
    r"\bnone that come later\b",
    r"\bits answer is lost\b",
    r"\bquick and calm\b",
    r"\btakes no orders\b",
    r"\ba pass\b|\bpasses are\b|\bthe next pass\b|\beach pass\b|\bone pass\b|\bthis pass\b",
    r"\bin the middle\b",
    r"\bthe receipt\b|\ba receipt\b",
    r"\bsuspects?\b(?! (a|that|of))",
    r"\bstrangers?\b",
    r"\bgiven up\b|\bgiven_up\b",
    r"\bleftovers?\b",
    r"\bcautions?\b|\bcaveats?\b",
    r"\btroubles?\b",
    r"\bgarbled\b",
    r"\brescue\b",
    r"\btwins?\b",
    r"\bverbs?\b",
    r"\blaid down\b|\bon its way into\b",
    r"\bon their own and told\b",
    r"\bto whom an?\b|\bwhose they\b",
    r"\bgives? (it|the lease) back\b|\bgive the lease back\b",
    r"\bgone (now|for good)\b|\bare gone\b(?! of)",
    r"\bopen it anew\b|\bmade anew\b|\bstarted anew\b",
    r"\bsurely not\b|\bsurely was\b",
    r"\bpaid (for )?twice\b(?!')",
    r"\bdearest first\b",
    r"\bit never reached\b",
    r"\bledger (says|refuses)\b",
    r"\blocks do not hold\b|\blies on a network\b",
    r"\bcannot be moved like that\b|\bonly from this machine\b",
    r"\bnothing came back\b",
    r"\ball that match\b",
    r"\bnot sent again unasked\b",
    r"\bcarry no nonce\b",
    r"\bstay queued and are not sent\b",
    r"\bwho works on\b|\bsomeone\b|\bsome one\b",
    r"\bturned? away\b",
    r"\bchecked off\b",
    r"\bwhat (was|is) (wrong|left over)\b",
    r"\btimes are the ledger's\b|\bthe ledger's as\b",
    r"\bin the words of\b|\bour own vocabulary\b|\bthe vocabulary:",
    r"\bgrouped from the newest\b",
    r"\bwould have asked\b|\basked again in vain\b",
    r"\bfive kpis\b|\bthis database has no record\b|\bbackup does not know\b",
    r"\bstays? waited for\b|\bis in the way\b|\bno more tries\b|\bin the days asked for\b",
    r"\bcome again\b|\bin no sum\b|\bput that file back\b",
    r"\bunanswered requests?\b|\bthis program knows\b|\btime must move\b",
    r"\bstate folder\b|\bdenylist(ed)?\b|\bthe last poll failed: it\b|\bcommit to (read|screen)\b",
    r"\bthis key belongs to\b|\bwhat both answer\b|\bfiles of its work\b",
)
# Documents that are not in the repository.
ABSENT = re.compile(r"\b(design|api-facts|mission|console-findings|layout|words)\.md\b")
_SOURCES = ("core", "state", "titan_batch", "titan_console", "tests", "benchmarks", "examples")
# Old names stand here by necessity: a frozen schema, its migration, records of past decisions.
_EXEMPT = re.compile(
    r"tests/architecture/test_language\.py|tests/db/test_(large_)?migration\.py|CHANGELOG\.md"
    r"|state/db/(tables_v1|tables_v2|migrate_to_v2)\.py|docs/adr/.*"
)
# Names in code spans, such as an old key that is still accepted.
_NAMES = re.compile(r"`[^`\s]+`")
# Each phrase begins with a word, so that most places of a text need one look. Texts are compared in
# lower case: without IGNORECASE the first letter of each phrase is compared first.
_PHRASES = "|".join(BANNED).removeprefix(r"\b").replace(r"|\b", "|")
_PATTERN = re.compile(rf"\b(?:{_PHRASES})")


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings and comments of a program with their lines; every line of another file."""
    content = path.read_text("utf-8")
    if path.suffix != ".py":
        yield from enumerate((_NAMES.sub("", line) for line in content.splitlines()), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        # A string of one word is a name or a value, not a text.
        if token.type in (tokenize.STRING, tokenize.COMMENT) and " " in token.string:
            yield token.start[0], _NAMES.sub("", token.string)


@functools.cache
def texts() -> list[tuple[Path, int, str]]:
    """The texts of all files with their lines, read once."""
    return [(path, line, text) for path in files() for line, text in _texts(path)]


def files() -> list[Path]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "README.md"]
    programs = [path for source in _SOURCES for path in (ROOT / source).rglob("*.py")]
    templates = [ROOT / "core" / "config" / "titan-template.toml"]
    return [
        path
        for path in (*pages, *programs, *templates)
        if not _EXEMPT.fullmatch(path.relative_to(ROOT).as_posix())
    ]


def found(pattern: re.Pattern[str], *, lower: bool = False) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r}"
        for path, line, text in texts()
        for match in pattern.finditer(text.lower() if lower else text)
    ]


def test_no_text_uses_a_banned_phrase() -> None:
    assert found(_PATTERN, lower=True) == []


def test_no_test_name_uses_a_banned_phrase() -> None:
    names = [
        name
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    ]
    assert [name for name in names if _PATTERN.search(name.replace("_", " "))] == []


def test_no_text_has_a_merge_conflict() -> None:
    assert found(re.compile(r"^(<{7} |={7}$|>{7} )")) == []


def test_no_text_cites_a_document_that_is_not_here() -> None:
    assert found(ABSENT) == []


@pytest.mark.parametrize("text", ["Fix it once it is mended.", "Nobody is there", "A Twin"])
def test_the_pattern_knows_a_banned_phrase(text: str) -> None:
    assert _PATTERN.search(text.lower())
