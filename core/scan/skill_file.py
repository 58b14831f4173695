"""A SKILL.md: a scheduled task or a skill of an agent."""

import re
from pathlib import Path

from core.scan import rhythm
from core.scan.stated_tokens import stated_tokens
from core.scan.task import Rhythm, Runner, Source, Task

FILE = "skill.md"
TASKS_FOLDER = "scheduled-tasks"
_RHYTHM_KEYS = (
    *("cron", "cronexpression", "cron-expression", "cron_expression", "schedule", "interval"),
    *("every", "frequency", "cadence", "when", "runs", "rhythm", "trigger"),
)
_FOLDER_KEYS = ("cwd", "folder", "working-directory", "working_directory", "workdir", "project")
_KEY = re.compile(r"([\w-]+)[ \t]*:[ \t]*(.*)")
# A part of the day, in which it runs all the time.
_WINDOW = re.compile(r"\d{1,2}:\d\d\s*(?:-|\u2013|to|bis|a|à)\s*\d{1,2}:\d\d")
_BLOCK = re.compile(r"[|>][+-]?\d*")
# Of the body, the beginning says when a task runs; further down it speaks of its subject.
_HEAD = 1_500


def task_of(path: Path, text: str) -> Task:
    """The task of a SKILL.md; its name is that of the front matter, else of the folder."""
    fields, body = front_matter(text)
    is_task = TASKS_FOLDER in path.parts
    name = fields.get("name") or path.parent.name
    description = fields.get("description", "")
    when = _rhythm(name, path.parent.name, description, fields, body if is_task else "")
    has_schedule = any(key in fields for key in _RHYTHM_KEYS) and when is not None
    model = fields.get("model", "")
    return Task(
        name=name,
        source=Source.SCHEDULED_TASK if is_task or has_schedule else Source.SKILL,
        place=str(path),
        runner=Runner.AGENT,
        rhythm=when,
        description=description,
        text=body,
        prompt=body,
        folder=next((fields[key] for key in _FOLDER_KEYS if key in fields), ""),
        model=model if model.startswith("claude-") else None,
        stated=stated_tokens("\n".join(fields.values()), body),
    )


def _rhythm(
    name: str, folder: str, description: str, fields: dict[str, str], body: str
) -> Rhythm | None:
    stated = [fields[key] for key in _RHYTHM_KEYS if key in fields]
    if any(_WINDOW.search(text) for text in stated):
        return Rhythm(text=stated[0], gap_h=None, runs_a_month=0)
    for text in (*stated, name, folder, description, body[:_HEAD]):
        found = rhythm.of_cron(text.strip()) or rhythm.in_text(text)
        if found:
            return found
    return None


def front_matter(text: str) -> tuple[dict[str, str], str]:
    r"""The fields above the second `---`, keys in lower case, and the rest of the text.

    It is read line by line: many are not valid YAML, such as a description with a colon.

    >>> front_matter("---\nname: a\ndescription: >\n  b:\n  c\n---\nd")
    ({'name': 'a', 'description': 'b: c'}, 'd')
    """
    lines = text.lstrip("\ufeff\n ").split("\n")
    if lines[0].strip() != "---":
        return {}, text
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() in ("---", "...")), 0)
    fields, key = dict[str, str](), ""
    for line in lines[1:end]:
        found = _KEY.fullmatch(line.strip())
        if found and not (line[:1].isspace() and key):
            key, value = found[1].lower(), found[2].strip()
            fields[key] = "" if _BLOCK.fullmatch(value) else _unquoted(value)
        elif key and line.strip() and not line.lstrip().startswith("#"):
            fields[key] = f"{fields[key]} {_unquoted(line.strip())}".strip()
    return fields, "\n".join(lines[end + 1 :])


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value.partition(" #")[0].rstrip()
