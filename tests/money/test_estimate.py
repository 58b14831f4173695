"""What requests cost at most, and what they are expected to cost."""

import base64
import string
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.builders import START, a_bench, a_request

from core.config.titan_tables import parse
from core.errors import OverBudget
from core.intake.dry_run import plan, report
from core.intake.options import SubmitOptions
from core.money.cost_history import history_since
from core.money.estimate import Estimate, cost_bound, mean_costs
from core.money.pricing import PriceBook
from core.requests.cache_control import CachePolicy
from core.requests.cost_bounds import IMAGE_TOKENS, SEARCH_TOKENS, bounds_of
from core.requests.payload import Limits, Line, to_line
from state.model.records import BatchKind
from state.model.usage import Tokens
from state.queries.mean_costs import AnswerCosts, answer_costs
from titan_console.sandbox.answers.prices import bill
from titan_console.sandbox.answers.results import usage
from titan_console.sandbox.answers.texts import compose
from titan_console.sandbox.rules.row_builder import RowBuilder
from titan_console.sandbox.rules.rows import CallOptions

PRICES = PriceBook()
MODELS = ("claude-sonnet-5-5", "claude-opus-5", "claude-haiku-5-5", "claude-haiku-4-5")
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
PDF = {"type": "document", "source": {"type": "base64", "data": "JVBERi0x" * 9}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}


def a_line(**params: object) -> Line:
    return to_line(
        {**a_request(), **params},
        position=1,
        model="claude-sonnet-4-6",
        betas=(),
        limits=Limits(),
        cache=CachePolicy.HOUR,
    )


def at_most(line: Line, unbounded_nano: int | None = None) -> Estimate:
    found = Estimate.begin(PRICES, START, unbounded_nano=unbounded_nano)
    found.add(line)
    return found


def with_content(*blocks: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def random_tools(random: Random) -> list[dict[str, Any]]:
    """Server tools with a bound."""
    tools: list[dict[str, Any]] = []
    if random.random() < 0.3:
        tools.append(SEARCH | {"max_uses": random.randint(0, 5)})
    if random.random() < 0.2:
        most = random.choice((100, 2_000, 50_000))
        tools.append(FETCH | {"max_uses": random.randint(0, 5), "max_content_tokens": most})
    return tools


def random_request(random: Random) -> dict[str, Any]:
    """A request that the API bills for something, in any combination."""
    alphabet = random.choice((string.printable, "0123456789", "日本語🦉é ", 'a "\\\n\t'))
    size = int(random.expovariate(1 / 800)) + 1
    blocks: list[dict[str, Any]] = [
        {"type": "text", "text": "".join(random.choices(alphabet, k=size))}
        for _ in range(random.randint(1, 3))
    ]
    if random.random() < 0.3:
        blocks[0]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    if random.random() < 0.2:
        content = b"\x89PNG\r\n\x1a\n" + random.randbytes(random.randint(10, 4000))
        png = base64.b64encode(content).decode()
        source = {"type": "base64", "media_type": "image/png", "data": png}
        blocks.append({"type": "image", "source": source})
    asked: dict[str, Any] = {
        "custom_id": "x",
        "model": random.choice(MODELS),
        "max_tokens": random.choice((1, 16, 300, 5000)),
        **with_content(*blocks),
    }
    if random.random() < 0.3:
        asked["system"] = "Answer in JSON." * random.randint(1, 400)
    if tools := random_tools(random):
        asked["tools"] = tools
    if random.random() < 0.1:
        asked["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    if random.random() < 0.5 and not asked["model"].endswith("-4-5"):
        asked["inference_geo"] = random.choice(("us", "global"))
    return asked


def actual(seed: int, line: Line) -> Fraction | None:
    """What the sandbox bills for it in a batch, in nano-dollars, by its own price list."""
    raw = line.body.partition(b'"params":')[2][:-1]
    row = RowBuilder(seed, CallOptions("2026-10-21")).row("x", raw)
    return None if row.error else bill(row.model, usage(row, compose(row), "batch")) * 10**9


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_request_costs_more_than_at_most(count: int) -> None:
    random, billed = Random(15), 0
    for _ in range(count):
        asked = random_request(random)
        line = to_line(asked, position=1, model="-", betas=(), limits=Limits())
        cost = actual(random.getrandbits(30), line)
        if cost is not None:
            billed += 1
            assert cost <= at_most(line).batch_nano, asked
    assert billed > 0.9 * count


@pytest.mark.parametrize("cents", [1, 500, 10_000_000_000])
def test_plain_text_costs_at_most_what_a_close_look_finds(cents: int) -> None:
    random, plain = Random(cents), 0
    table = f'from = 2026-01-01\ninput = "{cents / 100}"\noutput = "{cents}"'
    priced = PriceBook(parse(f"[[prices.claude-opus-5]]\n{table}").prices)
    texts: tuple[object, ...] = ("x" * 10, "x" * 150_000, [{"type": "text", "text": "x"}], [], "")
    for _ in range(300):
        text = {"role": "user", "content": random.choice(texts)}
        asked = random_request(random)
        if random.random() < 0.7:
            asked = {name: asked[name] for name in ("custom_id", "model", "max_tokens")}
            asked["messages"] = [text]
        line = to_line(
            asked,
            position=1,
            model="-",
            betas=(),
            limits=Limits(),
            output=random.choice((None, b'{"type":"object","additionalProperties":false}')),
        )
        if random.random() < 0.1:
            line = line._replace(model="claude-unknown")
        plain += line.is_plain
        for prices in (PRICES, priced):
            quick = cost_bound(prices, START, line)
            assert quick == cost_bound(prices, START, line._replace(is_plain=False)), asked
    assert 30 < plain < 270


def test_a_token_has_at_least_one_byte_and_the_answer_at_most_max_tokens() -> None:
    line = a_line(max_tokens=300)
    assert bounds_of(line.body, 300)[:2] == (len(line.body), 300)
    found = at_most(line)
    expected = len(line.body) * 3_000 + 300 * 15_000
    assert found.sync_nano == pytest.approx(expected * 1.1, abs=2)  # pyright: ignore[reportUnknownMemberType]
    assert found.batch_nano == pytest.approx(expected * 0.55, abs=2)  # pyright: ignore[reportUnknownMemberType]


def test_only_a_request_that_names_the_global_region_has_the_plain_price() -> None:
    plain = at_most(a_line(inference_geo="global", max_tokens=10_000)).batch_nano
    for params in ({}, {"inference_geo": "us"}):
        assert at_most(a_line(max_tokens=10_000, **params)).batch_nano > 1.09 * plain
    assert at_most(a_line(inference_geo="eu")).unbounded == {"inference_geo 'eu'": 1}


def test_a_marked_prompt_counts_as_a_cache_write() -> None:
    marked = a_line(cache_control={"type": "ephemeral", "ttl": "1h"}, max_tokens=1)
    found = at_most(marked)
    assert found.batch_nano > len(marked.body) * 3_000 * 2 / 2


def test_a_search_costs_its_fee_and_another_turn() -> None:
    line = a_line(tools=[SEARCH | {"max_uses": 2}], max_tokens=10)
    found = bounds_of(line.body, 10)
    assert (found.web_searches, found.output_tokens) == (2, 30)
    assert found.input_tokens > 3 * len(line.body) + 3 * SEARCH_TOKENS
    assert at_most(line).batch_nano > 20_000_000


def test_an_image_has_a_bound_wherever_it_comes_from() -> None:
    line = a_line(**with_content(IMAGE))
    assert bounds_of(line.body, 1).input_tokens == len(line.body) + IMAGE_TOKENS
    data = {"type": "image", "source": {"type": "base64", "data": "A" * 100_000}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [data]}
    line = a_line(**with_content(result))
    assert bounds_of(line.body, 1).input_tokens < IMAGE_TOKENS + 1_000


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"tools": [SEARCH]}, "web_search without max_uses"),
        ({"tools": [SEARCH | {"max_uses": -1}]}, "web_search without max_uses"),
        ({"tools": [SEARCH | {"max_uses": 1.5}]}, "web_search without max_uses"),
        ({"tools": [SEARCH | {"max_uses": 10**9}]}, "web_search with 1,000,000,000 uses"),
        ({"tools": [{"type": "web_fetch_20250910", "max_uses": 1}]}, "web_fetch without max_con"),
        ({"tools": [{"type": "code_execution_20250825"}]}, "the tool 'code_execution_20250825'"),
        ({"tools": [{"type": "advisor_20260301"}]}, "the tool 'advisor_20260301'"),
        ({"mcp_servers": []}, "`mcp_servers`"),
        ({"context_management": {}}, "`context_management`"),
        (with_content(PDF), "a PDF"),
        (with_content({"type": "document", "source": {"type": "file"}}), "a document by reference"),
        (with_content({"type": "hologram"}), "content of type 'hologram'"),
        (with_content({"type": ["text"]}), "content of type ['text']"),
        (with_content({"type": {"text": 1}}), "content of type {'text': 1}"),
        ({"tools": [{"type": ["bash_20250124"]}]}, "the tool ['bash_20250124']"),
        ({"inference_geo": ["us"]}, "inference_geo ['us']"),
    ],
)
def test_what_has_no_bound_is_named(params: dict[str, object], named: str) -> None:
    (found,) = at_most(a_line(**params)).unbounded
    assert found.startswith(named)


@pytest.mark.parametrize(
    "params",
    [
        {"tools": [{"name": "f", "input_schema": {"type": "object"}}]},
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        with_content({"type": "document", "source": {"type": "text", "data": "x"}}),
        with_content({"type": "text", "text": '"type":"hologram"'}),
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    ],
)
def test_what_is_in_the_body_has_a_bound(params: dict[str, object]) -> None:
    assert not at_most(a_line(**params)).unbounded


def test_a_request_without_a_bound_counts_as_what_its_job_states() -> None:
    line = a_line(tools=[SEARCH])
    assert at_most(line, 500_000_000).batch_nano == 500_000_000
    assert at_most(line, 1).batch_nano == at_most(line).batch_nano > 1


def test_an_absurd_price_has_no_bound_and_does_not_overflow() -> None:
    own = parse('[[prices."m"]]\nfrom = 2026-01-01\ninput = 1e12\noutput = 1e12\n').prices
    found = Estimate.begin(PriceBook(own), START)
    found.add(a_line(model="m"))
    assert found.unbounded == {"its price": 1}
    assert found.batch_nano < 2**63 / 100_000


@pytest.mark.parametrize(("first_day", "is_counted"), [(1, True), (2, True), (5, False)])
def test_a_higher_price_from_tomorrow_counts_before_the_batch_ends(
    first_day: int, is_counted: bool
) -> None:
    day = (START + timedelta(days=first_day)).date()
    own = parse(
        "[[prices.claude-haiku-4-5]]\nfrom = 2020-01-01\ninput = 1\noutput = 5\n"
        f"[[prices.claude-haiku-4-5]]\nfrom = {day}\ninput = 10\noutput = 50\n"
    ).prices
    line = a_line(model="claude-haiku-4-5")
    today, later = (
        cost_bound(PriceBook(own), at, line) for at in (START, START + timedelta(days=9))
    )
    assert today.at_most[0] is not None
    assert later.at_most[0] is not None
    if is_counted:
        assert today.at_most == later.at_most
    else:
        assert today.at_most[0] < later.at_most[0]


def test_a_budget_rejects_what_has_no_bound_until_the_job_states_one(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    rules = tmp_path / "home" / "titan.toml"
    rules.write_text("[budgets]\nday_usd = 1\n", "utf-8")
    asked, options = a_request(tools=[SEARCH]), SubmitOptions(tag="t", workflow="w")
    with a_bench(tmp_path / "home") as bench:
        with pytest.raises(OverBudget, match="web_search without max_uses has no upper") as caught:
            bench.engine.submit([asked], options)
        assert caught.value.code == "budget_without_bound"
        job = (
            '[workloads.all]\n[jobs.w]\nworkload = "all"\nschedule = "daily"\n'
            "unbounded_request_usd = {}\n[budgets]\nday_usd = 1\n"
        )
        rules.write_text(job.format("1.5"), "utf-8")
        with pytest.raises(OverBudget, match=r"this may add \$1.50"):
            bench.engine.submit([asked], options)
        rules.write_text(job.format("0.5"), "utf-8")
        assert not bench.engine.submit([asked], options).repeated


def test_a_stated_sum_of_nothing_is_a_mistake() -> None:
    text = '[workloads.a]\n[jobs.w]\nworkload = "a"\nschedule = "daily"\nunbounded_request_usd = 0'
    (problem,) = parse(text).problems
    assert "unbounded_request_usd: must be more than 0" in str(problem)


def test_a_plan_lists_the_models_that_are_in_the_file() -> None:
    requests = [
        a_request("a"),
        a_request("b", model="claude-opus-5"),
        a_request("c", model="claude-opus-5"),
    ]
    found = plan(
        requests,
        SubmitOptions(tag="t"),
        rules=parse(""),
        limits=Limits(),
        estimate=Estimate.begin(PRICES, START),
    )
    counts = {name: sums.requests for name, sums in found.estimate.models.items()}
    assert counts == {"claude-sonnet-4-6": 1, "claude-opus-5": 2}
    assert [one.model for one in report(found).models] == list(counts)


def test_expected_is_the_mean_of_the_workflows_answers() -> None:
    costs = [
        AnswerCosts(model=model, kind=kind, answers=count, cost_nano=cost, sync_cost_nano=sync)
        for model, kind, count, cost, sync in (
            ("claude-haiku-4-5-20251001", BatchKind.BATCH, 2, 10, 20),
            ("claude-haiku-4-5", BatchKind.BATCH, 1, 2, 4),
            ("claude-haiku-4-5", BatchKind.SYNC, 1, 12, 12),
            ("claude-opus-5", BatchKind.SYNC, 1, 100, 100),
        )
    ]
    found = Estimate.begin(PRICES, START)
    for number in range(3):
        found.add(a_line(model="claude-haiku-4-5", custom_id=f"r-{number}"))
    assert found.expected_batch_nano is None
    found.expect(mean_costs(costs, PRICES, START))
    assert (found.expected_batch_nano, found.expected_sync_nano) == (3 * 4, 3 * 9)
    found.add(a_line(model="claude-opus-5", custom_id="4"))
    found.expect(mean_costs(costs, PRICES, START))
    assert (found.expected_batch_nano, found.expected_sync_nano) == (None, 127)


def test_cached_answers_are_repriced_without_a_cache_for_what_is_not_marked() -> None:
    """Sonnet 5.5 costs $2 / $10, one-hour writes $4, reads $0.1; in the US ten percent more."""
    tokens = Tokens(
        input_tokens=1_000,
        output_tokens=2_000,
        cache_write_1h_tokens=10_000,
        cache_read_tokens=90_000,
    )
    fee = 10_000_000
    cost = (1_000 * 2_000 + 2_000 * 10_000 + 10_000 * 4_000 + 90_000 * 100) * 110 // 200
    uncached = (101_000 * 2_000 + 2_000 * 10_000) * 110 // 200
    (mean,) = mean_costs(
        [
            AnswerCosts(
                model="claude-sonnet-5-5",
                kind=BatchKind.BATCH,
                answers=10,
                cost_nano=cost + fee,
                sync_cost_nano=2 * cost + fee,
                fee_nano=fee,
                tokens=tokens,
            )
        ],
        PRICES,
        START,
    ).values()
    assert mean.recorded == ((cost + fee) // 10, (2 * cost + fee) // 10)
    assert mean.uncached == ((uncached + fee) // 10, (2 * uncached + fee) // 10)
    assert mean.prompt_nano == 101_000 * 2_000 * 110 // 200 // 10
    found = Estimate.begin(PRICES, START)
    found.add(a_line(model="claude-sonnet-5-5"))
    mark = {"type": "ephemeral", "ttl": "1h"}
    found.add(a_line(model="claude-sonnet-5-5", cache_control=mark))
    found.expect({"claude-sonnet-5-5": mean})
    assert found.expected_batch_nano == (cost + uncached + 2 * fee) // 10


def test_a_model_without_a_price_is_expected_to_cost_what_it_did() -> None:
    costs = AnswerCosts(
        model="unknown-1",
        kind=BatchKind.BATCH,
        answers=2,
        cost_nano=10,
        sync_cost_nano=20,
        tokens=Tokens(cache_read_tokens=9),
    )
    assert mean_costs([costs], PRICES, START)["unknown-1"].uncached == (5, 10)


def test_the_history_is_read_from_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with a_bench(tmp_path / "home") as bench:
        bench.submit(3)
        bench.poll_after(600)
        source = bench.engine.context.ledger
        costs = answer_costs(source, "feed-classify", since_day=history_since(START))
        assert [(one.model, one.answers) for one in costs] == [("claude-sonnet-4-6", 3)]
        assert mean_costs(costs, PRICES, START)["claude-sonnet-4-6"].recorded[0]
        assert not answer_costs(source, "other", since_day=history_since(START))
