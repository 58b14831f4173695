"""What the change of a Python job to `titan_batch` would look like, as a unified diff.

The script is parsed and never run or written. A call that is a statement of its own, or the first
part of a loop's body, is rewritten; every other one is named, to be changed by hand.
"""

import ast
import difflib
from collections.abc import Iterator, Sequence
from textwrap import indent

from msgspec import Struct, field

_STEP = "    "
# Arguments of the client, which are no part of a request.
_OF_CLIENT = {"timeout", "extra_headers", "extra_query", "extra_body"}
_LEAVES = (ast.Return, ast.Yield, ast.YieldFrom, ast.Break, ast.Continue, ast.Await)
_Body = Sequence[ast.stmt]


class Change(Struct, frozen=True, kw_only=True):
    """A unified diff, empty without a call that could be rewritten; `by_hand` are the others."""

    diff: str = ""
    by_hand: list[str] = field(default_factory=list[str])


class _Edit(Struct, frozen=True):
    """Lines from `first` up to `last`, counted from 0, and what takes their place."""

    first: int
    last: int
    text: str


def change_of(code: str, name: str, job: str) -> Change:
    """The change of a script, for a job of that name. Raises SyntaxError."""
    tree = ast.parse(code)
    edits, by_hand = list[_Edit](), list[str]()
    known = set[int]()
    for body, loop in _bodies(tree):
        for number, statement in enumerate(body):
            call = _call_in(statement)
            if call is None or call.lineno in known:
                continue
            known.add(call.lineno)
            rest = body[number + 1 :]
            if problem := _problem(call, rest):
                by_hand.append(f"line {call.lineno}: {problem}")
                continue
            target = statement.targets[0] if isinstance(statement, ast.Assign) else None
            variable = target.id if isinstance(target, ast.Name) else None
            # Each call has a tag and custom_ids of its own.
            own = f"{job}-{len(known)}" if len(known) > 1 else job
            write = _Rewriting(code, call, statement, rest, variable, own)
            edits += write.in_loop(loop) if loop is not None else write.alone()
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and _is_create(node) and node.lineno not in known:
            by_hand.append(
                f"line {node.lineno}: the call is part of a larger expression; build its request"
                " there, and submit all requests together"
            )
    return _diff(code, name, _with_import(tree, edits), by_hand)


def _diff(code: str, name: str, edits: list[_Edit], by_hand: list[str]) -> Change:
    lines = code.splitlines(keepends=True)
    after = list(lines)
    for edit in sorted(edits, key=lambda one: (one.first, one.last), reverse=True):
        after[edit.first : edit.last] = edit.text.splitlines(keepends=True)
    try:
        ast.parse("".join(after))
    except SyntaxError:
        return Change(by_hand=[*by_hand, "the calls of this script must be changed by hand"])
    diff = "".join(difflib.unified_diff(lines, after, f"a/{name}", f"b/{name}"))
    return Change(diff=diff, by_hand=by_hand)


def _bodies(tree: ast.AST) -> Iterator[tuple[_Body, ast.For | None]]:
    """Every list of statements, and the loop that it is the body of."""
    for node in ast.walk(tree):
        loop = node if isinstance(node, ast.For) else None
        for name in ("body", "orelse", "finalbody"):
            body: list[ast.stmt] | ast.expr | None = getattr(node, name, None)
            if isinstance(body, list):
                yield body, loop if name == "body" else None


def _is_create(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="messages"), attr="create")):
            return True
        case _:
            return False


def _call_in(statement: ast.stmt) -> ast.Call | None:
    """The call, if the statement is nothing else than it, or assigns its answer to a name."""
    match statement:
        case ast.Assign(targets=[ast.Name()], value=value) | ast.Expr(value=value):
            call = value.value if isinstance(value, ast.Await) else value
            return call if isinstance(call, ast.Call) and _is_create(call) else None
        case _:
            return None


def _problem(call: ast.Call, rest: _Body) -> str:
    """Why a call cannot be rewritten here."""
    if call.args or any(keyword.arg in ("stream", "betas") for keyword in call.keywords):
        return "the call streams, or has arguments that a batch takes elsewhere"
    after = [node for statement in rest for node in ast.walk(statement)]
    if any(_has_lines(node) for node in (*ast.walk(call), *after)):
        return "a string of several lines in or after the call; assign it to a name before"
    if any(isinstance(node, _LEAVES) for node in after):
        return (
            "the code after the call returns its answer; let it build the request instead, and"
            " submit all requests together"
        )
    return ""


def _has_lines(node: ast.AST) -> bool:
    """Whether it is a string of several lines, whose content another margin would change."""
    is_text = isinstance(node, ast.JoinedStr | ast.Constant)
    return is_text and node.lineno != node.end_lineno


class _Rewriting:
    """The edits for one call."""

    def __init__(
        self,
        code: str,
        call: ast.Call,
        statement: ast.stmt,
        rest: _Body,
        variable: str | None,
        job: str,
    ) -> None:
        self._code, self._lines = code, code.splitlines(keepends=True)
        self._call, self._statement, self._rest = call, statement, rest
        self._variable, self._job = variable, job

    def in_loop(self, loop: ast.For) -> list[_Edit]:
        """The loop collects requests; what follows the call becomes a loop over the answers."""
        outer, inner = _margin(loop), _margin(self._statement)
        target = ast.get_source_segment(self._code, loop.target) or "item"
        append = f"requests.append(\n{indent(self._request('custom_id'), _STEP)}\n)\n"
        collect = (
            f'custom_id = f"{self._job}-{{today}}-{{len(requests) + 1:03d}}"\n'
            f"inputs[custom_id] = {target}\n{append}"
        )
        first = self._statement.lineno - 1
        end = loop.body[-1].end_lineno or first
        head = "today = datetime.date.today()\nrequests, inputs = [], {}\n"
        tail = self._submit("requests") + self._answers(f'{target} = inputs[result["custom_id"]]\n')
        return [
            _Edit(loop.lineno - 1, loop.lineno - 1, indent(head, outer)),
            _Edit(first, end, indent(collect, inner) + indent(tail, outer)),
        ]

    def alone(self) -> list[_Edit]:
        """One request; what follows the call becomes a loop over its answer."""
        margin = _margin(self._statement)
        first = self._statement.lineno - 1
        end = (self._rest[-1] if self._rest else self._statement).end_lineno or first
        custom_id = f'f"{self._job}-{{today}}-001"'
        text = (
            "today = datetime.date.today()\n"
            f"requests = [\n{indent(self._request(custom_id), _STEP)}\n]\n"
            + self._submit("requests")
            + self._answers("")
        )
        return [_Edit(first, end, indent(text, margin))]

    def _submit(self, requests: str) -> str:
        return f'key = titan_batch.submit({requests}, tag=f"{self._job}-{{today}}")\n'

    def _request(self, custom_id: str) -> str:
        lines = [f'"custom_id": {custom_id},']
        for keyword in self._call.keywords:
            value = ast.get_source_segment(self._code, keyword.value) or "..."
            if keyword.arg is None:
                lines.append(f"**{value},")
            elif keyword.arg not in _OF_CLIENT:
                lines.append(f'"{keyword.arg}": {_dedented(value)},')
        return "{\n" + indent("\n".join(lines), _STEP) + "\n}"

    def _answers(self, head: str) -> str:
        """The loop over the answers; empty if nothing uses them."""
        if not self._rest:
            return ""
        first, last = self._rest[0].lineno - 1, self._rest[-1].end_lineno
        margin = _margin(self._rest[0])
        block = "".join(
            line.removeprefix(margin) for line in self._with_results(first, last or first + 1)
        )
        block = block if block.endswith("\n") else f"{block}\n"
        return (
            "# Later, in the next job of the chain or at its next run: None until all have ended.\n"
            "for result in titan_batch.poll_and_collect(key) or []:\n" + indent(head + block, _STEP)
        )

    def _with_results(self, first: int, last: int) -> list[str]:
        """The lines after the call, with the fields of a result instead of the client's answer."""
        lines = list(self._lines[first:last])
        found = [
            (node, text)
            for statement in self._rest
            for node in ast.walk(statement)
            if isinstance(node, ast.expr) and (text := self._result_for(node)) is not None
        ]
        # The outermost one of several, from the end to the beginning.
        done = list[tuple[int, int]]()
        for node, text in sorted(found, key=lambda one: _place(one[0]), reverse=True):
            line, begin, end = _place(node)
            if node.end_lineno == node.lineno and (line, begin) not in done:
                raw = lines[line - 1 - first].encode()
                lines[line - 1 - first] = (raw[:begin] + text.encode() + raw[end:]).decode()
                done.append((line, begin))
        return lines

    def _result_for(self, node: ast.AST) -> str | None:
        match node:
            case ast.Attribute(
                value=ast.Subscript(value=ast.Attribute(value=ast.Name(id=name), attr="content")),
                attr="text",
            ) if name == self._variable:
                return 'result["text"]'
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(id=name), attr="usage"), attr=attr
            ) if name == self._variable:
                return f'result["usage"]["{attr}"]'
            case ast.Attribute(value=ast.Name(id=name), attr="usage") if name == self._variable:
                return 'result["usage"]'
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == self._variable:
                return f'result["message"]["{attr}"]'
            case ast.Name(id=name) if name == self._variable:
                return 'result["message"]'
            case _:
                return None


def _place(node: ast.expr) -> tuple[int, int, int]:
    """Line, first and last byte; of nodes that begin alike the longest comes last."""
    return node.lineno, node.col_offset, node.end_col_offset or node.col_offset


def _margin(node: ast.stmt) -> str:
    return " " * node.col_offset


def _dedented(value: str) -> str:
    """A value of several lines without the margin that it has in the call."""
    first, *rest = value.split("\n")
    margins = [len(line) - len(line.lstrip()) for line in rest if line.strip()]
    cut = min(margins, default=0)
    closing = rest and rest[-1].strip()[:1] in ("]", ")", "}")
    return "\n".join([first, *(line[cut:] if closing else _STEP + line[cut:] for line in rest)])


def _with_import(tree: ast.Module, edits: list[_Edit]) -> list[_Edit]:
    """The edits, and the imports that they need."""
    if not edits:
        return edits
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names if isinstance(node, ast.Import)}
    at = max((node.end_lineno or 0 for node in imports), default=0)
    needed = [name for name in ("datetime", "titan_batch") if name not in names]
    text = "".join(f"import {name}\n" for name in needed)
    return [*edits, _Edit(at, at, text)]
