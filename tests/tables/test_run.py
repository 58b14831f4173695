"""`titan-console run` as it is typed: a table in, the table with its answers out."""

import csv
import inspect
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.processes.terminal import Ended, Terminal, a_server

from titan_console.cli.main import main
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

PNG = b"\x89PNG\r\n\x1a\n...."
BOOKS = 'title,year\r\nDune,1965\r\n"Emma, again",-1815\r\nDune,1965\r\n=1+1,2000\r\n'


class Shell:
    """A folder with a prompt, in which `run` is typed."""

    def __init__(self, folder: Path, sandbox: Sandbox, address: str) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.terminal = Terminal(folder / "home", address)
        self.prompt = self.write("p.txt", "Is {title} good?\n")

    def write(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def read(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode()

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def run(self, data: str, *options: str, yes: bool = True) -> Ended:
        given = ("--prompt", self.prompt, *(("--yes",) if yes else ()))
        return self.terminal.run("run", data, *given, *options)

    @property
    def asked(self) -> list[Any]:
        """The content of each request that was submitted, in order."""
        (file,) = (self.folder / "home" / "spool").iterdir()
        lines = map(json.loads, file.read_text("utf-8").splitlines())
        return [line["params"]["messages"][0]["content"] for line in lines]


@contextmanager
def a_shell(folder: Path, plan: Plan, *faults: str) -> Generator[Shell, None, None]:
    with a_server(plan, *faults) as (sandbox, address):
        yield Shell(folder, sandbox, address)


@pytest.fixture
def shell(tmp_path: Path) -> Generator[Shell, None, None]:
    with a_shell(tmp_path, Plan.instant()) as made:
        yield made


def test_a_table_comes_back_with_answers_in_order(shell: Shell) -> None:
    done = shell.run(shell.write("books.csv", BOOKS))
    assert (done.code, done.out) == (0, f"{shell.path('books-answers.csv')}\n")
    rows = list(csv.DictReader(shell.read("books-answers.csv").splitlines()))
    assert [row["title"] for row in rows] == ["Dune", "Emma, again", "Dune", "=1+1"]
    assert rows[0] == rows[2]
    assert all(row["answer"] and not row["error"] for row in rows)
    assert len(list(shell.sandbox.billing_log().billed())) == 3


def test_a_csv_file_keeps_its_cells_and_how_it_is_written(shell: Shell) -> None:
    text = "\ufefftitle;n\nDune;-1815\n=1+1;+49 30 1\n"
    assert shell.run(shell.write("b.csv", text)).code == 0
    written = shell.read("b-answers.csv")
    assert written.startswith("\ufefftitle;n;answer;error\nDune;-1815;")
    assert "\n=1+1;+49 30 1;" in written


def test_cells_that_were_in_no_spreadsheet_are_protected_and_numbers_are_not(shell: Shell) -> None:
    rows = [{"title": "=1+1", "n": -5, "t": "-7.5"}, {"title": "a", "n": [1], "t": True}]
    data = shell.write("b.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert shell.run(data, "-o", shell.path("o.csv")).code == 0
    written = list(csv.reader(shell.read("o.csv").splitlines()))
    assert [row[:3] for row in written] == [
        ["title", "n", "t"],
        ["'=1+1", "-5", "-7.5"],
        ["a", "[1]", "true"],
    ]


def test_json_lines_keep_every_byte_and_get_two_keys(shell: Shell) -> None:
    lines = ['{"title": "Dune", "n": 1.50, "big": 123456789012345678901}', '{ "title":"ä" } ']
    assert shell.run(shell.write("b.jsonl", "\n".join(lines))).code == 0
    written = shell.read("b-answers.jsonl").splitlines()
    assert written[0].startswith(lines[0][:-1] + ',"answer":"')
    assert written[1].startswith('{ "title":"ä","answer":"')
    assert json.loads(written[1])["error"] is None


def test_the_same_command_again_sends_only_the_rows_that_are_new(shell: Shell) -> None:
    data = shell.write("books.csv", BOOKS)
    assert shell.run(data).code == 0
    shell.write("books.csv", "title,year\r\nEmma,1815\r\n" + BOOKS.partition("\r\n")[2])
    again = shell.run(data, "--force", "--json")
    assert (again.code, again.json()["sent"], again.json()["requests"]) == (0, 1, 4)
    assert len(list(shell.sandbox.billing_log().billed())) == 4
    answers = {row["title"]: row for row in csv.DictReader(shell.read("books-answers.csv").split())}
    assert "Emma" in answers
    third = shell.run(data, "--force", "--json")
    assert (third.code, third.json()["sent"], third.json()["submission_id"]) == (0, 0, None)


def test_another_prompt_or_model_is_another_request(shell: Shell) -> None:
    data = shell.write("books.csv", BOOKS)
    shell.run(data)
    shell.write("p.txt", "Is {title} bad?")
    assert shell.run(data, "--force", "--json").json()["sent"] == 3
    assert shell.run(data, "--force", "--model", "claude-opus-4-6", "--json").json()["sent"] == 3
    assert shell.run(data, "--force", "--max-tokens", "9", "--json").json()["sent"] == 3
    system = shell.write("s.txt", "You are {a} critic.\n")
    assert shell.run(data, "--force", "--system", system, "--json").json()["sent"] == 3


def test_without_dedup_equal_rows_are_asked_each(shell: Shell) -> None:
    done = shell.run(shell.write("books.csv", BOOKS), "--no-dedup", "--json")
    assert (done.json()["sent"], done.json()["rows"]) == (4, 4)
    assert shell.run(shell.path("books.csv"), "--force", "--json").json()["sent"] == 0


def test_a_limit_tries_the_first_rows(shell: Shell) -> None:
    data = shell.write("books.csv", BOOKS)
    done = shell.run(data, "--limit", "1", "-o", shell.path("o.jsonl"), "--json")
    assert (done.json()["sent"], done.json()["rows"]) == (1, 1)
    assert len(shell.read("o.jsonl").splitlines()) == 1
    assert shell.run(data, "--limit", str(10**20), "--json").json()["sent"] == 2


def test_while_it_runs_nothing_is_written_and_nothing_is_sent_again(tmp_path: Path) -> None:
    with a_shell(tmp_path, Plan.manual()) as shell:
        data = shell.write("books.csv", BOOKS)
        for sent in (3, 0):
            done = shell.run(data, "--json")
            assert (done.code, done.json()["sent"], done.json()["unfinished"]) == (4, sent, 3)
            assert done.json()["output"] is None
            assert done.err.count("run the same command again") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["books.csv", "home", "p.txt"]
        waited = shell.run(data, "--wait", "--timeout", "0s", "--json")
        assert (waited.code, waited.json()["output"]) == (4, None)
        assert shell.sandbox.billing_log().creates == 1


def test_with_wait_the_table_is_written_in_one_command(shell: Shell) -> None:
    data = shell.write("books.csv", BOOKS)
    done = shell.run(data, "--wait", "--every", "1s")
    assert (done.code, done.out) == (0, f"{shell.path('books-answers.csv')}\n")
    assert len(list(shell.sandbox.billing_log().billed())) == 3


def test_it_waits_for_its_own_rows_and_not_for_others_of_the_tag(tmp_path: Path) -> None:
    with a_shell(tmp_path, Plan.manual()) as shell:
        data = shell.write("books.csv", BOOKS)
        assert shell.run(data).code == 4
        first = shell.run(data, "--limit", "1", "--wait", "--timeout", "0s", "--json")
        assert (first.code, first.json()["unfinished"]) == (4, 1)
        shell.sandbox.end(str(shell.sandbox.batches()[0]["id"]))
        wrote = shell.run(data, "--limit", "1", "--wait", "--every", "1s")
        assert (wrote.code, "Wrote 1 row" in wrote.err) == (0, True)
        other = shell.write("other.csv", "title\nOblomov\n")
        assert shell.run(other, "--tag", "books").code == 4
        done = shell.run(data, "--wait", "--timeout", "0s", "--force")
        assert (done.code, "Wrote 4 rows" in done.err) == (0, True)


def test_without_a_key_the_rows_are_kept_and_sent_later(shell: Shell) -> None:
    data = shell.write("books.csv", BOOKS)
    keyless = Terminal(shell.terminal.home, shell.terminal.base_url, api_key=None)
    done = keyless.run("run", data, "--prompt", shell.prompt, "--yes")
    assert (done.code, "ANTHROPIC_API_KEY" in done.err) == (4, True)
    assert ("Stored" in done.err, "Submitted" in done.err) == (True, False)
    assert shell.run(data, "--json").json()["sent"] == 0
    assert shell.sandbox.billing_log().creates == 1


def test_a_token_polls_as_a_key_does(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shell.write("books.csv", BOOKS)
    monkeypatch.setenv("TITAN_HOME", shell.path("home"))
    monkeypatch.setenv("ANTHROPIC_BASE_URL", shell.terminal.base_url)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token")
    with pytest.raises(SystemExit) as ended:
        main(["run", data, "--prompt", shell.prompt, "--yes"])
    assert (ended.value.code, capsys.readouterr().err.count("Wrote 4 rows")) == (0, 1)


def test_no_name_of_a_column_of_the_answers_is_a_formula(shell: Shell) -> None:
    schema = {**SCHEMA, "properties": {"=cmd()": {"type": "integer"}}, "required": []}
    data, file = shell.write("books.csv", BOOKS), shell.write("s.json", json.dumps(schema))
    assert shell.run(data, "--schema", file).code == 0
    assert shell.read("books-answers.csv").splitlines()[0].endswith(",'=cmd(),error")


@pytest.mark.parametrize(
    ("fault", "error", "has_answer"),
    [
        ("row:invalid:p=1", "invalid_request_error: Output blocked by content filtering", False),
        ("row:refusal:p=1", "the model refused to answer", False),
        ("row:max-tokens:p=1", "cut off: the answer is longer than max_tokens", True),
    ],
)
def test_rows_that_fail_have_the_reason_and_the_exit_code_is_1(
    tmp_path: Path, fault: str, error: str, *, has_answer: bool
) -> None:
    with a_shell(tmp_path, Plan.instant(), fault) as shell:
        done = shell.run(shell.write("books.csv", BOOKS), "--json")
        assert (done.code, done.json()["failed"]) == (1, 4)
        assert "Wrote 4 rows, 4 of them with an error." in done.err
        # None of these is replayed unchanged, and the message says so.
        assert "with a change (--set max_tokens=4096, --model) also what was rejected" in done.err
        assert shell.terminal.run("replay", "books", "--yes").code == 2
        assert shell.terminal.run("replay", "books", "--set", "max_tokens=4096", "--yes").code == 0
        rows = list(csv.DictReader(shell.read("books-answers.csv").splitlines()))
        assert all(row["error"].startswith(error) for row in rows)
        assert all(bool(row["answer"]) is has_answer for row in rows)


def test_an_error_that_was_acknowledged_is_shown_and_is_no_failure(tmp_path: Path) -> None:
    for fault, has_error in (("row:invalid:p=1", True), ("row:max-tokens:p=1", False)):
        (tmp_path / fault[4]).mkdir()
        with a_shell(tmp_path / fault[4], Plan.instant(), fault) as shell:
            data = shell.write("books.csv", BOOKS)
            assert shell.run(data).code == 1
            assert shell.terminal.run("acknowledge", "books", "--yes").code == 0
            assert shell.run(data, "--force").code == 0
            rows = list(csv.DictReader(shell.read("books-answers.csv").splitlines()))
            assert {bool(row["error"]) for row in rows} == {has_error}


def test_a_dry_run_shows_the_plan_and_changes_nothing(shell: Shell) -> None:
    data = shell.write("books.csv", BOOKS)
    planned = shell.run(data, "--dry-run")
    assert planned.code == 0
    assert "rows           4, 1 repeated\n" in planned.out
    assert "requests       3\n" in planned.out
    assert planned.out.endswith("Nothing was sent.\n")
    report = shell.run(data, "--dry-run", "--json").json()
    assert (report["rows"], report["requests"], report["new"]) == (4, 3, 3)
    assert report["plan"]["request_count"] == 3
    assert not (shell.folder / "home").exists()
    shell.run(data)
    report = shell.run(data, "--dry-run", "--force", "--json").json()
    assert (report["answered"], report["new"], report["plan"]) == (3, 0, None)
    assert shell.sandbox.billing_log().creates == 1


def test_without_a_terminal_it_needs_yes_where_something_would_be_sent(shell: Shell) -> None:
    done = shell.run(shell.write("books.csv", BOOKS), yes=False)
    assert done.code == 2
    assert "pass --yes" in done.err
    assert shell.sandbox.billing_log().creates == 0
    shell.run(shell.path("books.csv"))
    assert shell.run(shell.path("books.csv"), "--force", yes=False).code == 0


def test_another_name_of_the_input_is_no_output(shell: Shell) -> None:
    data = Path(shell.write("t.csv", BOOKS))
    (shell.folder / "u.csv").hardlink_to(data)
    done = shell.run(str(data), "-o", shell.path("u.csv"), "--force")
    assert (done.code, "is the input" in done.err) == (2, True)
    assert shell.read("t.csv") == BOOKS


@pytest.mark.parametrize(
    ("name", "content", "options", "code"),
    [
        ("t.csv", "title\na\n", ("--prompt", "{dir}/typo.txt"), "unknown_column"),
        ("t.jsonl", '{"title": 1}\n{"name": 1}\n', (), "unknown_column"),
        ("t.csv", 'title\n"a\n', (), "not_csv"),
        ("t.csv", "title,title\na,b\n", (), "not_csv"),
        ("t.csv", "title,answer\na,b\n", (), "column_exists"),
        ("t.csv", "title,my_error\na,b\n", ("--prefix", "my_"), "column_exists"),
        ("t.csv", "title\n", (), "no_requests"),
        ("t.csv", "title\n" + "a" * 31_999_990 + "\n", (), "request_too_large"),
        ("t.csv", "title\na\n", ("-o", "{dir}/there.csv"), "output_exists"),
        ("t.csv", "title\na\n", ("-o", "{dir}/t.csv", "--force"), "invalid_input"),
        ("t.csv", "title\na\n", ("-o", "{dir}/no/t.csv"), "invalid_input"),
        ("t.csv", "title\na\n", ("-o", "{dir}/o.xlsx"), "invalid_input"),
        ("t.csv", "title\na\n", ("-o", "{dir}/home/o.csv"), "output_in_state_folder"),
        ("t.xlsx", "title\na\n", (), "invalid_input"),
        ("t.csv", "title\na\n", ("--delimiter", "ab"), "usage"),
        ("t.csv", "title\na\n", ("--job", "none"), "unknown_job"),
        ("t.csv", "title\na\n", ("--max-tokens", "999999"), "max_tokens_too_large"),
        ("t.parquet", "title\na\n", (), "invalid_input"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_sent(
    shell: Shell, name: str, content: str, options: tuple[str, ...], code: str
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    shell.write("typo.txt", "Is {titel} good?")
    shell.write("there.csv", "kept")
    (shell.folder / "home").mkdir()
    given = tuple(option.replace("{dir}", str(shell.folder)) for option in options)
    data = shell.write(name, content)
    done = shell.run(data, *given, "--json")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.error_code() == code
    assert not shell.sandbox.billing_log().creates
    assert shell.read("there.csv") == "kept"
    dry = shell.run(data, *given, "--dry-run", "--json")
    assert (dry.code, dry.error_code()) == (2, code)


def test_a_folder_of_texts_and_images_is_a_table(shell: Shell) -> None:
    for name, content in (("a.md", b"A text"), ("b.png", PNG), ("c.pdf", b"%PDF-1.7 ...")):
        shell.write(f"notes/{name}", content)
    shell.write("notes/d.docx", "x")
    shell.write("p.txt", "Summarize {name}: {text}")
    done = shell.run(shell.path("notes"))
    assert done.code == 0
    assert "1 file skipped" in done.err
    rows = [json.loads(line) for line in shell.read("notes-answers.jsonl").splitlines()]
    assert [(row["path"], row["text"]) for row in rows] == [
        ("a.md", "A text"),
        ("b.png", None),
        ("c.pdf", None),
    ]
    asked = shell.asked
    assert asked[0] == "Summarize a.md: A text"
    assert [block["type"] for block in asked[1]] == ["image", "text"]
    assert [block["type"] for block in asked[2]] == ["document", "text"]
    shell.write("p.txt", "Summarize {name}")
    done = shell.run(shell.path("notes"), "--force")
    assert (done.code, "p.txt has no {text}" in done.err) == (2, True)


def _library_index() -> list[dict[str, object]]:
    """The modules of the standard library, each with the first line of its docstring."""
    rows: list[dict[str, object]] = []
    for name in sorted(sys.stdlib_module_names)[:200]:
        if name.startswith("_") or name in ("antigravity", "this", "idlelib"):
            continue
        try:
            module = import_module(name)
        except (ImportError, AttributeError):
            continue
        text = (inspect.getdoc(module) or "").partition("\n")[0]
        rows.append({"title": name, "text": text, "names": len(vars(module)), "core": not text})
    return rows


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_index_of_the_standard_library_goes_through_csv_and_parquet(shell: Shell) -> None:
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    rows = _library_index()
    shell.write("p.txt", "What is {title} ({text}) for?")
    frame = polars.DataFrame(rows)
    frame.write_csv(shell.path("index.csv"))
    frame.write_parquet(shell.path("index.parquet"))
    assert shell.run(shell.path("index.csv")).code == 0
    assert shell.run(shell.path("index.parquet"), "--json").json()["sent"] == 0
    read = polars.read_parquet(shell.path("index-answers.parquet"))
    assert read.schema == {**frame.schema, "answer": polars.String, "error": polars.String}
    assert read.drop("answer", "error").equals(frame)
    as_csv = polars.read_csv(shell.path("index-answers.csv"))
    assert as_csv.schema["names"] == polars.Int64
    assert as_csv["answer"].equals(read["answer"])
    query = "SELECT typeof(names), typeof(core), typeof(answer), count(*) FROM '{}' GROUP BY ALL"
    found = duckdb.sql(query.format(shell.path("index-answers.parquet"))).fetchall()
    assert found == [("BIGINT", "BOOLEAN", "VARCHAR", len(rows))]
    found = duckdb.sql(query.format(shell.path("index-answers.csv"))).fetchall()
    assert found == [("BIGINT", "BOOLEAN", "VARCHAR", len(rows))]


def test_json_lines_become_parquet_with_the_types_that_all_rows_fit_in(shell: Shell) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"title": f"a{n}", "n": n, "tags": ["x"], "null": None} for n in range(1500)]
    rows += [{"title": "b", "n": 1.5, "late": True}]
    data = shell.write("b.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert shell.run(data, "-o", shell.path("b.parquet")).code == 0
    read = parquet.read_table(shell.path("b.parquet"))
    assert dict(zip(read.schema.names, map(str, read.schema.types), strict=True)) == {
        "title": "string",
        "n": "double",
        "tags": "list<element: string>",
        "null": "string",
        "late": "bool",
        "answer": "string",
        "error": "string",
    }
    assert read.column("n").to_pylist() == [row["n"] for row in rows]
    shell.write("c.jsonl", '{"title": "a", "x": 1}\n{"title": "b", "x": "y"}\n')
    done = shell.run(shell.path("c.jsonl"), "-o", shell.path("c.parquet"))
    assert (done.code, "Write .jsonl instead" in done.err) == (2, True)
    del arrow


def test_parquet_without_pyarrow_says_what_to_install(shell: Shell) -> None:
    hidden = "import sys; sys.modules['pyarrow'] = None; from titan_console.cli.main import main;"
    data = shell.write("b.csv", BOOKS)
    arguments = ["run", data, "--prompt", shell.prompt, "--yes", "-o", shell.path("o.parquet")]
    done = shell.terminal.python("-c", f"{hidden} main({arguments!r})")
    assert (done.code, done.err) == (
        2,
        "titan-console: Parquet needs pyarrow: pip install 'titan-console[parquet]'.\n",
    )


SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"enum": ["good", "bad"]},
        "score": {"type": "integer"},
        "ratio": {"type": "number"},
        "sure": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["label", "score", "ratio", "sure", "tags"],
}


def test_with_a_schema_each_property_is_a_column_with_its_type(shell: Shell) -> None:
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    data, schema = shell.write("b.csv", BOOKS), shell.write("s.json", json.dumps(SCHEMA))
    assert shell.run(data, "--schema", schema, "-o", shell.path("o.parquet")).code == 0
    read = polars.read_parquet(shell.path("o.parquet"))
    assert dict(read.schema) == {
        "title": polars.String,
        "year": polars.String,
        "label": polars.String,
        "score": polars.Int64,
        "ratio": polars.Float64,
        "sure": polars.Boolean,
        "tags": polars.List(polars.String),
        "error": polars.String,
    }
    assert set(read["label"]) <= {"good", "bad"}
    query = "SELECT typeof(score), typeof(sure), typeof(tags) FROM '{}'"
    assert duckdb.sql(query.format(shell.path("o.parquet"))).fetchall()[0] == (
        "BIGINT",
        "BOOLEAN",
        "VARCHAR[]",
    )
    again = shell.run(data, "--schema", schema, "-o", shell.path("o.csv"), "--json")
    assert again.json()["sent"] == 0
    as_csv = polars.read_csv(shell.path("o.csv"))
    types = [as_csv.schema[name] for name in ("score", "ratio", "sure")]
    assert types == [polars.Int64, polars.Float64, polars.Boolean]
    assert as_csv["score"].equals(read["score"])
    assert json.loads(as_csv["tags"][0]) == list(read["tags"][0])
    assert shell.run(data, "-o", shell.path("p.csv"), "--json").json()["sent"] == 3


def test_an_answer_that_does_not_match_the_schema_is_an_error(tmp_path: Path) -> None:
    with a_shell(tmp_path, Plan.instant(), "row:wrong-output:p=1") as shell:
        data, schema = shell.write("b.csv", BOOKS), shell.write("s.json", json.dumps(SCHEMA))
        assert shell.run(data, "--schema", schema, "-o", shell.path("o.jsonl")).code == 1
        rows = [json.loads(line) for line in shell.read("o.jsonl").splitlines()]
        assert all(row["error"].startswith("the answer does not match the schema") for row in rows)
        assert {row["label"] for row in rows} == {None}


def test_an_answer_that_does_not_match_is_asked_again_before_the_table_is_written(
    tmp_path: Path,
) -> None:
    with a_shell(tmp_path, Plan.instant(), "row:wrong-output:p=1") as shell:
        data, schema = shell.write("b.csv", "title\na\n"), shell.write("s.json", json.dumps(SCHEMA))
        given = ("--schema", schema, "--reask", "1", "-o", shell.path("o.jsonl"))
        assert shell.run(data, *given).code == 4
        shell.sandbox.faults.clear()
        # One poll sends it again, the next one collects it.
        assert shell.run(data, *given).code == 4
        assert not (shell.folder / "o.jsonl").exists()
        assert shell.run(data, *given).code == 0
        (row,) = [json.loads(line) for line in shell.read("o.jsonl").splitlines()]
        assert row["error"] is None
        assert row["label"] in ("good", "bad")
        assert shell.sandbox.billing_log().creates == 2


def test_a_schema_that_the_api_does_not_support_is_refused(shell: Shell) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "https://example.com/a"}}}
    for content in (json.dumps(schema), "{"):
        path = shell.write("s.json", content)
        done = shell.run(shell.write("b.csv", BOOKS), "--schema", path)
        assert (done.code, done.err.count("\n")) == (2, 1)
    clash = {"type": "object", "properties": {"title": {"type": "string"}}}
    path = shell.write("s.json", json.dumps(clash))
    done = shell.run(shell.path("b.csv"), "--schema", path, "--json")
    assert (done.code, done.error_code()) == (2, "column_exists")
    assert not shell.sandbox.billing_log().creates
