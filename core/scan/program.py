"""What the command of a scheduler runs: an agent, or a script that may call a model."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from core.scan.schedulers import Entry
from core.scan.stated_tokens import stated_tokens
from core.scan.task import Runner, Task
from core.scan.text_file import NotTextError, read_text

SCRIPTS = (".py", ".sh", ".bash", ".zsh", ".js", ".mjs", ".ts", ".rb", ".ps1", ".bat", ".cmd")
PROMPTS = (".md", ".txt", ".prompt")
_AGENT = re.compile(
    r"(?<![\w./~-])(?:[\w./~-]*/)?claude(?:\.exe|\.cmd)?(?=\s+(?!/)|$|\")", re.IGNORECASE
)
_PROMPT = re.compile(
    r"(?:-p|--print|--prompt)[ =]+(?:([\"'])(.+?)(?<!\\)\1|([^-\s]\S*))", re.DOTALL
)
_FOLDER = re.compile(r"(?:^|[;&]\s*)cd\s+([\"']?)([^\"';&]+?)\1\s*(?=&&|;)")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+([A-Za-z_][\w.]*)", re.MULTILINE)
_MODULE = re.compile(r"\s-m\s+([\w.]+)")
_PATH = re.compile(r"[^\s\"'();&|<>=]+")
_BATCH = re.compile(r"\btitan_batch\b|\bmessages\.batches\b|titan-console\s+(?:run|submit)\b")
_CALLS_MODEL = re.compile(
    r"\banthropic\b|\bmessages\.(?:create|stream)\b|claude_agent_sdk|claude_code_sdk|\bclaude\s+-"
    r"|\b(?:openai|litellm|langchain|llama_?index|bedrock-runtime|google\.generativeai)\b"
    r"|\bclaude-[a-z0-9]",
    re.IGNORECASE,
)
_SAYS_MODEL = re.compile(
    r"\b(?:claude|anthropic|llm|language model|sonnet|opus|haiku)\b", re.IGNORECASE
)
_MODEL = re.compile(r"[\"'=\s](claude-[a-z0-9.-]*\d[a-z0-9.-]*)")
_COMMENT = re.compile(r"^[ \t]*(?:#|//|::|REM)(?!!)[ \t]*(.+)$", re.MULTILINE | re.IGNORECASE)
# Shorter strings are names and keys.
_TEXT_CHARS = 25
_SLUG_WORDS = 5
_MOST_MODULES = 20


class Files:
    """Scripts and prompts below the scanned folders, found by the end of their path."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """`paths` of every file that a command may name."""
        #: Those of which only the beginning was read.
        self.cut: set[Path] = set()
        self._by_name: dict[str, list[Path]] = {}
        for path in paths:
            self._by_name.setdefault(path.name, []).append(path)

    def read(self, path: Path) -> str:
        """The text of a script or prompt; empty where it cannot be read."""
        try:
            text, is_cut = read_text(path)
        except (OSError, NotTextError):
            return ""
        if is_cut:
            self.cut.add(path)
        return text

    def find(self, named: str, folder: str) -> Path | None:
        """The file that a command names, in a copy of a machine's folders as on the machine."""
        plain = re.sub(r"^(?:~|\$HOME|\$\{HOME\}|%USERPROFILE%)[/\\]", "", named).replace("\\", "/")
        parts = PurePosixPath(plain).parts
        if not parts:
            return None
        within = (*PurePosixPath(folder.replace("\\", "/")).parts, *parts)
        known = self._by_name.get(parts[-1], [])
        best = max(known, key=lambda path: _same_end(path.parts, within), default=None)
        # A name alone could be any file.
        if best and (len(known) == 1 or _same_end(best.parts, within) > 1):
            return best
        for path in (Path(named), Path(folder) / named):
            if path.is_absolute() and path.is_file():
                return path
        return best


def _same_end(one: Sequence[str], other: Sequence[str]) -> int:
    equal = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        equal += 1
    return equal


class _Script(Struct, frozen=True, kw_only=True):
    """A script that was read; `imported` is the code of the modules beside it that it imports."""

    path: Path | None = None
    text: str = ""
    imported: str = ""

    @property
    def code(self) -> str:
        """All of it."""
        return f"{self.text}\n{self.imported}"


def task_of(entry: Entry, place: str, files: Files) -> Task:
    """The task of a scheduler's entry."""
    found = _FOLDER.search(entry.command)
    folder = entry.folder or (found[2].strip() if found else "")
    script = _script(entry.command, folder, files)
    prompt = _prompt(entry.command, folder, files) or _prompt(script.text, folder, files)
    text = "\n".join((prompt, _words(script)))
    model = _MODEL.search(f"{entry.command}\n{script.code}")
    return Task(
        name=_name(entry, script, prompt),
        source=entry.source,
        place=f"{place}:{entry.line}" if entry.line else place,
        runner=_runner(entry, script, prompt),
        rhythm=entry.rhythm,
        description=entry.description,
        text=text,
        prompt=prompt,
        folder=folder,
        script=script.path,
        is_unread=script.path is None and bool(_named_scripts(entry.command)),
        model=model[1] if model else None,
        stated=stated_tokens(entry.description, text),
    )


def _runner(entry: Entry, script: _Script, prompt: str) -> Runner:
    everything = f"{entry.command}\n{script.code}"
    if _BATCH.search(everything):
        return Runner.BATCH
    if _AGENT.search(entry.command) or prompt:
        return Runner.AGENT
    if script.path and script.path.suffix == ".py" and _CALLS_MODEL.search(script.code):
        return Runner.PYTHON
    if _CALLS_MODEL.search(everything):
        return Runner.SCRIPT
    if _SAYS_MODEL.search(entry.description):
        return Runner.SCRIPT
    return Runner.NO_MODEL


def _script(command: str, folder: str, files: Files) -> _Script:
    for word in _named_scripts(command):
        path = files.find(word, folder)
        if path and (text := files.read(path)):
            imported = "\n".join(_imported(path, text, files))
            return _Script(path=path, text=text, imported=imported)
    return _Script()


def _named_scripts(command: str) -> list[str]:
    modules = (f"{module.replace('.', '/')}.py" for module in _MODULE.findall(command))
    return [*(word for word in _PATH.findall(command) if word.lower().endswith(SCRIPTS)), *modules]


def _imported(path: Path, code: str, files: Files) -> Iterator[str]:
    """The code of modules in the script's folder that it imports, and of those that they import."""
    seen, codes = {path.name}, [code]
    while codes:
        for module in _IMPORT.findall(codes.pop()):
            beside = path.parent.joinpath(*module.split(".")).with_suffix(".py")
            is_new = beside.name not in seen and len(seen) <= _MOST_MODULES
            if is_new and (text := files.read(beside)):
                seen.add(beside.name)
                codes.append(text)
                yield text


def _prompt(command: str, folder: str, files: Files) -> str:
    """The prompt of an agent, with the content of a file that the command names for it."""
    if not _AGENT.search(command):
        return ""
    found = _PROMPT.search(command)
    said = (found[2] or found[3] or "") if found else ""
    named = [word for word in _PATH.findall(command) if word.lower().endswith(PROMPTS)]
    read = (files.read(path) for word in named if (path := files.find(word, folder)))
    return "\n".join(part for part in (said, *read) if part) or "claude"


def _words(script: _Script) -> str:
    """What a script says to people and models: its comments and its longer strings."""
    comments = _COMMENT.findall(script.text)
    if script.path and script.path.suffix == ".py":
        comments += _strings(script.text)
    elif _AGENT.search(script.text):
        comments.append(script.text)
    return "\n".join(comments)


def _strings(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and len(value) >= _TEXT_CHARS:
            yield value


def _name(entry: Entry, script: _Script, prompt: str) -> str:
    if entry.name:
        return entry.name.strip("\\").replace("\\", "/")
    paths = [*([str(script.path)] if script.path else []), *_named_scripts(entry.command)]
    if paths:
        return PurePosixPath(paths[0].replace("\\", "/")).stem
    words = re.findall(r"\w+", prompt if prompt != "claude" else entry.description)
    return "-".join(words[:_SLUG_WORDS]).lower() or _program(entry)


def _program(entry: Entry) -> str:
    words = [word for word in entry.command.split() if "=" not in word and not word.startswith("-")]
    return PurePosixPath(words[0]).name if words else f"line-{entry.line}"
