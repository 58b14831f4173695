"""The catalogue: the mission's jobs, and each mistake by its line and key."""

import pytest

from core.config.catalogue import CachePolicy, Latency, parse
from core.config.denylist import BUILT_IN, Denylist
from core.config.titan_file import template
from core.config.toml_reader import load, with_lines
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


def test_the_template_has_every_job_of_the_mission_and_no_mistake() -> None:
    catalogue = parse(template())
    assert catalogue.mistakes == ()
    for tier, names in TIERS.items():
        assert [job.name for job in catalogue.jobs_of(tier)] == names
    assert len(catalogue.jobs) == sum(map(len, TIERS.values()))
    assert catalogue.denylist.added == dict(BUILT_IN)


def test_a_job_carries_its_policy() -> None:
    jobs = parse(template()).jobs
    feed, evolve = jobs["titan-daily-feed"], jobs["titan-monthly-evolve"]
    assert (feed.tokens_in, feed.tokens_out, feed.runs_a_month) == (25_000, 8_000, 30)
    assert (feed.latency, feed.on_failure) == (Latency.SOFT, OnFailure.SYNC)
    assert feed.cache is CachePolicy.NONE
    assert evolve.betas == ("output-300k-2026-03-24",)
    assert evolve.max_tokens == 300_000


MISTAKES = [
    ('tierr = "x"', "jobs.a.tierr: there is no such key", "tierr"),
    ("deadlineh = 3", "did you mean deadline_h?", "deadlineh"),
    ("tokens_in = -1\ntokens_out = 1", "whole number from 0 on, not -1", "tokens_in"),
    ("tokens_in = true\ntokens_out = 1", "not True", "tokens_in"),
    ("tokens_in = 1.5\ntokens_out = 1", "not 1.5", "tokens_in"),
    ("tokens_in = 1", "go together", "tokens_in"),
    ("deadline_h = 0", "from 1 on", "deadline_h"),
    ('latency = "quick"', "soft, hard-batch, cadence, not 'quick'", "latency"),
    ('on_failure = "drop"', "queue, sync", "on_failure"),
    ('cache = "5m"', "none, 1h", "cache"),
    ("betas = 'x'", "a list of texts", "betas"),
    ("betas = ['']", "a list of texts", "betas"),
    ("model = ''", "must be a text", "model"),
    ("max_tokens = 300_000", "output-300k-2026-03-24", "max_tokens"),
]


@pytest.mark.parametrize(("added", "said", "key"), MISTAKES)
def test_a_mistake_is_named_by_line_and_key(added: str, said: str, key: str) -> None:
    text = f"{JOB}{added}\n\n[workloads.u]\n"
    (mistake,) = parse(text).mistakes
    assert said in str(mistake)
    assert str(mistake).startswith(f"titan.toml line {mistake.line}: jobs.a.{key}: ")
    named = text.splitlines()[mistake.line - 1]
    assert named.startswith(key) or (added == "tokens_in = 1" and named.startswith("tokens_in"))


def test_a_key_that_is_missing_is_named_by_its_table() -> None:
    text = '# one\n\n[workloads.t]\n[jobs."a b"]\nworkload = "t"\n'
    (mistake,) = parse(text).mistakes
    assert mistake.line == 4
    assert str(mistake).startswith('titan.toml line 4: jobs."a b".schedule: is missing')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[jobs.a\n", "line 1: this is not TOML"),
        ("a = 1\na = 2\n", "line 2: this is not TOML"),
        ('x = "', "this is not TOML"),
        ("[job.a]\n", "line 1: job: there is no such key; did you mean jobs?"),
        ("[jobs]\na = 3\n", "line 2: jobs.a: must be a table"),
        ("jobs = 3\n", "line 1: jobs: must be a table"),
        ('[jobs.a]\nschedule="daily"\nworkload="x"', "names a table [workloads.x]"),
        ("[workloads.a]\nmonth_in = 3\n", "go together"),
        ('[never_batch]\na = ""\n', "line 2: never_batch.a: must be a text"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, said: str) -> None:
    assert any(said in str(mistake) for mistake in parse(text).mistakes)


def test_a_job_on_the_never_batch_list_is_a_mistake() -> None:
    text = JOB.replace("jobs.a", "jobs.titan-inbox-watch")
    (mistake,) = parse(text).mistakes
    assert "never batched: it reacts to what comes in" in str(mistake)


def test_tokens_that_would_count_twice_are_a_mistake() -> None:
    text = JOB.replace("[workloads.t]", "[workloads.t]\nmonth_in = 1\nmonth_out = 1")
    (mistake,) = parse(f"{text}tokens_in = 1\ntokens_out = 1\n").mistakes
    assert "count twice" in str(mistake)


def test_the_rest_of_a_file_with_mistakes_still_holds() -> None:
    catalogue = parse(f'{JOB}cache = "5m"\n[never_batch]\nmine = "because"\n')
    assert list(catalogue.jobs) == ["a"]
    assert catalogue.denylist.reason_for(["mine"]) == ("mine", "because")


def test_lines_are_right_in_a_document_of_every_shape() -> None:
    text = (
        "# head\n[a]\nx = [\n 1,\n 2,\n]\ny = '''\n[b]\n'''\n\n[b.c]\nz = 1\n[a.d]\nw.v = 2\n"
        "[[e]]\nm = 1\n[[e]]\nn = 2\n[b]\nq = {r = 1}\n"
    )
    from core.config.toml_reader import Mistake  # noqa: PLC0415 - beside its use

    expected = {("a", "y"): 7, ("b", "c", "z"): 12, ("a", "d", "w", "v"): 14, ("e", "n"): 18}
    expected |= {("b", "q"): 20, ("e",): 15, ("b", "q", "r"): 20, ("nowhere",): 1}
    assert load(text)[1] == []
    found = with_lines([Mistake(path, "") for path in expected], text)
    assert {mistake.path: mistake.line for mistake in found} == expected


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
def test_what_is_never_batched_is_known_by_name(name: str) -> None:
    found = Denylist().reason_for([None, "", "fine", name])
    assert found is not None
    assert found[0] == name


@pytest.mark.parametrize("name", ["titan-daily-feed", "cmd", "voice", "x/commands", "voices/a", ""])
def test_other_names_pass(name: str) -> None:
    assert Denylist().reason_for([name]) is None
