"""titan.toml: the jobs of the template, and each problem with its line, key and code."""

import pytest

from core.config.job import Latency
from core.config.never_batch import BUILT_IN, NeverBatchList
from core.config.titan_file import template
from core.config.titan_tables import parse
from core.config.toml_reader import Problem, load, with_lines
from core.requests.cache_control import CachePolicy
from state.model.records import OnFailure

TIERS = {
    "tier-1": ["titan-daily-feed", "titan-daily-monologue", "titan-weekly-benchmark"],
    "tier-2": [
        *("titan-daily-improve", "titan-daily-newsletter", "titan-weekly-dream"),
        *("titan-weekly-review", "nightly-prompt-eval", "nightly-report-writer"),
        *("nightly-pmf-d7", "claude-code-audit-every-6h"),
    ],
    "tier-3": [
        *("titan-monthly-evolve", "titan-design-audit-quarterly"),
        *("titan-agent-utilization-daily", "innerverse-tc7-weekly-synthesis"),
    ],
}
JOB = """
[workloads.t]
# a comment that spans nothing

[jobs.a]
workload = "t"
schedule = "daily"
note = \"\"\"
[jobs.not_a_table]
\"\"\"
"""


def test_the_template_has_every_job_and_no_problem() -> None:
    titan_toml = parse(template())
    assert titan_toml.problems == ()
    for tier, names in TIERS.items():
        assert [job.name for job in titan_toml.jobs_of(tier)] == names
    assert len(titan_toml.jobs) == sum(map(len, TIERS.values()))
    assert titan_toml.never_batch.added == dict(BUILT_IN)


def test_a_job_carries_its_policy() -> None:
    jobs = parse(template()).jobs
    feed, evolve = jobs["titan-daily-feed"], jobs["titan-monthly-evolve"]
    assert (feed.tokens_in, feed.tokens_out, feed.schedule.runs_a_month) == (25_000, 8_000, 30)
    assert (feed.latency, feed.on_failure) == (Latency.SOFT, OnFailure.SYNC)
    assert feed.cache is CachePolicy.NONE
    assert evolve.betas == ("output-300k-2026-03-24",)
    assert evolve.max_tokens == 300_000


PROBLEMS = [
    ('tierr = "x"', "unknown_key", "known keys: workload, schedule", "tierr"),
    ("deadlineh = 3", "unknown_key", "did you mean deadline_h?", "deadlineh"),
    ("tokens_in = -1\ntokens_out = 1", "invalid_value", "an integer from 0 to", "tokens_in"),
    ("tokens_in = true\ntokens_out = 1", "invalid_value", "not True", "tokens_in"),
    ("tokens_in = 1.5\ntokens_out = 1", "invalid_value", "not 1.5", "tokens_in"),
    ("tokens_in = 1", "key_missing", "set both", "tokens_in"),
    ("deadline_h = 0", "invalid_value", "an integer from 1 to 8,784, not 0", "deadline_h"),
    ("replay_tries = 11", "invalid_value", "an integer from 1 to 10, not 11", "replay_tries"),
    ("on_delivery_timeout_s = 601", "invalid_value", "from 1 to 600", "on_delivery_timeout_s"),
    ('latency = "quick"', "invalid_value", "soft, hard-batch, cadence, not 'quick'", "latency"),
    ('on_failure = "drop"', "invalid_value", "queue, sync", "on_failure"),
    ('cache = "5m"', "invalid_value", "none, 1h", "cache"),
    ("betas = 'x'", "invalid_value", "a list of strings", "betas"),
    ("betas = ['']", "invalid_value", "a list of strings", "betas"),
    ("model = ''", "invalid_value", "a string that is not empty", "model"),
    ("max_tokens = 300_000", "max_tokens_too_large", "output-300k-2026-03-24", "max_tokens"),
    (
        'on_settled = ["a"]\non_delivery = ["b"]',
        "duplicate_key",
        "is the old name of on_delivery, which is set too",
        "on_settled",
    ),
]


@pytest.mark.parametrize(("added", "code", "said", "key"), PROBLEMS)
def test_a_problem_has_its_line_key_and_code(added: str, code: str, said: str, key: str) -> None:
    text = f"{JOB}{added}\n\n[workloads.u]\n"
    (problem,) = parse(text).problems
    assert problem.code == code
    assert said in str(problem)
    assert str(problem).startswith(f"titan.toml line {problem.line}: jobs.a.{key}: ")
    assert text.splitlines()[problem.line - 1].startswith(key)


@pytest.mark.parametrize(
    ("command", "timeout"),
    [("on_delivery", "on_delivery_timeout_s"), ("on_settled", "on_settled_timeout_s")],
)
def test_the_delivery_hook_has_a_new_and_an_old_name(command: str, timeout: str) -> None:
    titan_toml = parse(f'{JOB}{command} = ["run", "{{file}}"]\n{timeout} = 7\n')
    assert titan_toml.problems == ()
    job = titan_toml.jobs["a"]
    assert (job.on_delivery, job.on_delivery_timeout_s) == (("run", "{file}"), 7)


def test_a_wrong_value_of_an_old_name_is_reported_once() -> None:
    (problem,) = parse(f"{JOB}on_settled = 3\n").problems
    assert (problem.path, problem.code) == (("jobs", "a", "on_settled"), "invalid_value")
    assert problem.line == JOB.count("\n") + 1


def test_all_problems_of_a_file_are_reported() -> None:
    text = f'{JOB}latency = 1\ncache = 2\n[budgets]\nday_usd = "x"\n[alerts]\nkpis = 1\nx = 1\n'
    problems = parse(text).problems
    assert [problem.path[-1] for problem in problems] == [
        "latency",
        "cache",
        "day_usd",
        "kpis",
        "x",
    ]
    assert [problem.line for problem in problems] == [11, 12, 14, 16, 17]


def test_a_missing_key_is_reported_at_its_table() -> None:
    text = '# one\n\n[workloads.t]\n[jobs."a b"]\nworkload = "t"\n'
    (problem,) = parse(text).problems
    assert (problem.line, problem.code) == (4, "key_missing")
    assert str(problem).startswith('titan.toml line 4: jobs."a b".schedule: ')


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("[jobs.a\n", "invalid_toml", "line 1: this is not TOML"),
        ("a = 1\na = 2\n", "invalid_toml", "line 2: this is not TOML"),
        ('x = "', "invalid_toml", "this is not TOML"),
        ("[job.a]\n", "unknown_key", "line 1: job: unknown key; did you mean jobs?"),
        ("[jobs]\na = 3\n", "invalid_value", "line 2: jobs.a: must be a table"),
        ("jobs = 3\n", "invalid_value", "line 1: jobs: must be a table"),
        ('[jobs.a]\nschedule="daily"\nworkload="x"', "unknown_workload", "no table [workloads.x]"),
        ('[jobs.a]\nschedule="daily"', "unknown_workload", "workload: is missing"),
        ("[workloads.a]\nmonth_in = 3\n", "key_missing", "set both"),
        ('[never_batch]\na = ""\n', "invalid_value", "line 2: never_batch.a: must be a string"),
    ],
)
def test_a_document_that_cannot_be_read_is_one_line(text: str, code: str, said: str) -> None:
    found = parse(text).problems
    assert code in [problem.code for problem in found]
    assert any(said in str(problem) for problem in found)


def test_a_job_on_the_never_batch_list_is_a_problem() -> None:
    text = JOB.replace("jobs.a", "jobs.titan-inbox-watch")
    (problem,) = parse(text).problems
    assert problem.code == "never_batched"


def test_tokens_that_would_count_twice_are_a_problem() -> None:
    text = JOB.replace("[workloads.t]", "[workloads.t]\nmonth_in = 1\nmonth_out = 1")
    (problem,) = parse(f"{text}tokens_in = 1\ntokens_out = 1\n").problems
    assert problem.code == "tokens_counted_twice"


@pytest.mark.parametrize(
    ("text", "table", "key"),
    [
        ('[alerts]\nurl = "http://example.com"\nsecret = "s"', "alerts", "url"),
        ('[alerts]\nurl = "https://example.com"', "alerts", "url"),
        ("[workloads.t]\nmonth_in = 3", "workloads", "month_in"),
        (f'{JOB}deadline_h = 3\ndeadline_at = "07:00"', "jobs", "deadline_at"),
        (f"{JOB}max_tokens = 900_000", "jobs", "max_tokens"),
        (f"{JOB}unbounded_request_usd = 0", "jobs", "unbounded_request_usd"),
    ],
)
def test_a_value_that_conflicts_is_not_used(text: str, table: str, key: str) -> None:
    titan_toml = parse(text)
    (problem,) = titan_toml.problems
    assert problem.path[-1] == key
    found = getattr(titan_toml, table)
    record = found if table == "alerts" else found[problem.path[1]]
    assert getattr(record, key) == getattr(type(record)(), key)


@pytest.mark.parametrize(
    ("text", "is_used"),
    [
        ('[alerts]\ncomand = ["x"]', True),
        ("[recovery]\nx = 1", True),
        ("[backup]\nkeep_days = -1", True),
        ("[jobs.a]", True),
        ("[budgets]\nx = 1", True),
        ("[typo]", True),
        ("[console]\nx = 1", False),
        ("[workloads.t]\nx = 1", False),
    ],
)
def test_a_poll_reports_what_it_cannot_use(text: str, is_used: bool) -> None:
    assert bool(parse(text).poll_problems) == is_used


def test_the_rest_of_a_file_with_problems_still_holds() -> None:
    titan_toml = parse(f'{JOB}cache = "5m"\n[never_batch]\nmine = "because"\n')
    assert list(titan_toml.jobs) == ["a"]
    assert titan_toml.never_batch.reason_for(["mine"]) == ("mine", "because")


def test_lines_are_right_in_a_document_of_every_shape() -> None:
    text = (
        "# head\n[a]\nx = [\n 1,\n 2,\n]\ny = '''\n[b]\n'''\n\n[b.c]\nz = 1\n[a.d]\nw.v = 2\n"
        "[[e]]\nm = 1\n[[e]]\nn = 2\n[b]\nq = {r = 1}\n"
    )
    expected = {("a", "y"): 7, ("b", "c", "z"): 12, ("a", "d", "w", "v"): 14, ("e", "n"): 18}
    expected |= {("b", "q"): 20, ("e",): 15, ("b", "q", "r"): 20, ("nowhere",): 1}
    assert load(text)[1] == []
    found = with_lines([Problem(path, "") for path in expected], text)
    assert {problem.path: problem.line for problem in found} == expected


@pytest.mark.parametrize(
    "name",
    [
        *BUILT_IN,
        "Titan_Heartbeat Monitor 15m",
        "titan-inbox-watch-2026-11-22",
        "titan-hourly-progress-email-2026-11-22-07",
        "bridge/cmd",
        "/api/voice/turn",
        "innerverse live chat",
    ],
)
def test_never_batched_names_are_recognised(name: str) -> None:
    found = NeverBatchList().reason_for([None, "", "fine", name])
    assert found is not None
    assert found[0] == name


@pytest.mark.parametrize("name", ["titan-daily-feed", "cmd", "voice", "x/commands", "voices/a", ""])
def test_other_names_pass(name: str) -> None:
    assert NeverBatchList().reason_for([name]) is None
