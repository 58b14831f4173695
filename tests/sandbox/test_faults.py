"""Every fault that can be injected does what its name says, and nothing else."""

import json

import anthropic
import httpx2
import pytest
from support.api.sandbox_client import BATCHES, SandboxClient, a_desk, a_params, create_body

from titan_console.sandbox.faults.profile import (
    AFTER_STATUSES,
    CALLS,
    LINES,
    STATUSES,
    Fault,
    Faults,
    kind_names,
)
from titan_console.sandbox.model.timing import Plan

IDS = [f"r-{n}" for n in range(10)]


def try_create(desk: SandboxClient) -> Exception:
    with pytest.raises(anthropic.AnthropicError) as caught:
        desk.sdk().messages.batches.create(requests=create_body(["a"])["requests"])
    return caught.value


def listed(desk: SandboxClient) -> int:
    desk.sandbox.faults.clear()
    return len(desk.json("GET", BATCHES)["data"])


@pytest.mark.parametrize("what", ["drop", "timeout", "garbage", "truncated"])
def test_an_accepted_create_can_lose_its_answer(what: str) -> None:
    desk = a_desk(f"create:{what}:times=1")
    try:
        made = desk.sdk().messages.batches.create(requests=create_body(["a"])["requests"])
    except (anthropic.AnthropicError, ValueError) as error:
        made = error
    assert not getattr(made, "processing_status", None)
    assert listed(desk) == 1


@pytest.mark.parametrize("status", AFTER_STATUSES)
def test_an_accepted_create_can_be_answered_by_an_error(status: int) -> None:
    desk = a_desk(f"create:{status}-after")
    error = try_create(desk)
    assert isinstance(error, anthropic.APIStatusError)
    assert error.status_code == status
    assert listed(desk) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_a_refused_create_has_no_effect(status: int) -> None:
    desk = a_desk(f"create:{status}:retry=30")
    error = try_create(desk)
    assert isinstance(error, anthropic.APIStatusError)
    assert error.status_code == status
    assert error.response.headers["retry-after"] == "30"
    assert listed(desk) == 0
    assert [post.custom_ids for post in desk.sandbox.billing_log().posts] == [("a",)]


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("connect", httpx2.ConnectError),
        ("drop-before", httpx2.RemoteProtocolError),
        ("timeout-before", httpx2.ReadTimeout),
    ],
)
def test_a_create_that_never_arrived_has_no_effect(what: str, cause: type[Exception]) -> None:
    desk = a_desk(f"create:{what}")
    error = try_create(desk)
    assert isinstance(error.__cause__, cause)
    assert listed(desk) == 0
    assert desk.sandbox.billing_log().creates == 0


def test_a_create_can_take_effect_late() -> None:
    desk = a_desk("create:late:seconds=600:times=1")
    assert isinstance(try_create(desk), anthropic.APITimeoutError)
    assert desk.json("GET", BATCHES)["data"] == []
    desk.clock.advance(600)
    [batch] = desk.json("GET", BATCHES)["data"]
    assert batch["created_at"] == "2026-11-22T09:10:00.000000+00:00"


def test_a_spend_cap_names_its_cause_and_no_time() -> None:
    error = try_create(a_desk("create:spend-cap"))
    assert isinstance(error, anthropic.RateLimitError)
    assert error.error_code == "enforced_spend_limit_reached"
    assert "retry-after" not in error.response.headers


def test_a_limit_set_by_oneself_is_a_400() -> None:
    error = try_create(a_desk("create:usage-limit"))
    assert isinstance(error, anthropic.BadRequestError)
    assert (error.api_message or "").startswith("You have reached your specified API usage limits")


@pytest.mark.parametrize("status", [413, 502])
def test_a_proxy_can_answer_with_a_page(status: int) -> None:
    error = try_create(a_desk(f"any:html-{status}"))
    assert isinstance(error, anthropic.APIStatusError)
    assert error.status_code == status
    assert isinstance(error.body, str)


def test_a_404_is_transient_where_the_rule_says_so() -> None:
    desk = a_desk("retrieve:404:nth=2")
    batch_id = desk.create()
    statuses = [desk.call("GET", f"{BATCHES}/{batch_id}").status for _ in range(3)]
    assert statuses == [200, 404, 200]


@pytest.mark.parametrize("call", ["list", "retrieve", "results"])
def test_a_new_batch_can_be_invisible_for_a_while(call: str) -> None:
    desk = a_desk(f"{call}:lag:seconds=60")
    batch_id = desk.create()
    paths = {"list": BATCHES, "retrieve": f"{BATCHES}/{batch_id}"}
    path = paths.get(call, f"{BATCHES}/{batch_id}/results")
    desk.clock.advance(59)
    assert batch_id not in desk.call("GET", path).read().decode().replace("not found", "") or (
        desk.call("GET", path).status == 404
    )
    desk.clock.advance(1)
    assert desk.call("GET", path).status == 200


def test_a_slow_answer_takes_its_time_or_the_callers_patience() -> None:
    desk = a_desk("list:slow:seconds=20")
    desk.sdk().messages.batches.list()
    assert desk.clock.monotonic() == 20
    with pytest.raises(anthropic.APITimeoutError):
        desk.sdk().with_options(timeout=5).messages.batches.list()
    assert desk.clock.monotonic() == 25


def test_a_results_url_can_lead_elsewhere() -> None:
    desk = a_desk("retrieve:foreign-url")
    url = desk.retrieve(desk.create())["results_url"]
    assert url.startswith("https://results.invalid/v1/messages/batches/")


def raw_lines(what: str) -> tuple[list[bytes], list[bytes]]:
    """The lines of a good and of a damaged download of ten results."""
    desk = a_desk()
    stranger = desk.create("stranger")
    desk.retrieve(stranger)
    path = f"{BATCHES}/{desk.create(*IDS)}/results"
    good = desk.call("GET", path).read().splitlines(keepends=True)
    desk.sandbox.faults.add(f"results:{what}:lines=2")
    return good, desk.call("GET", path).read().splitlines(keepends=True)


def test_a_download_can_end_early_and_look_whole() -> None:
    good, bad = raw_lines("cut-line")
    assert bad == good[:5]


def test_a_download_can_end_inside_a_line() -> None:
    good, bad = raw_lines("cut")
    assert bad[:5] == good[:5]
    assert good[5].startswith(bad[5])
    assert not bad[5].endswith(b"\n")


@pytest.mark.parametrize("what", ["short", "broken"])
def test_a_download_can_break(what: str) -> None:
    desk = a_desk(f"results:{what}")
    batch_id = desk.create(*IDS)
    read = desk.sdk().messages.batches.with_streaming_response.results
    with read(batch_id) as answer:
        assert ("content-length" in answer.headers) is (what == "short")
        with pytest.raises(httpx2.RemoteProtocolError):
            list(answer.iter_bytes())


def test_lines_can_be_malformed() -> None:
    good, bad = raw_lines("garbled")
    unreadable = [line for line in b"".join(bad).split(b"\n") if line + b"\n" not in good and line]
    assert len(unreadable) == 2
    for line in unreadable:
        with pytest.raises(ValueError, match=r"."):
            json.loads(line)


@pytest.mark.parametrize(
    ("what", "added"),
    [("html-line", b"<html><body>502 Bad Gateway</body></html>\n"), ("blank", b"\n")],
)
def test_strange_lines_can_come_between(what: str, added: bytes) -> None:
    good, bad = raw_lines(what)
    assert bad.count(added) == 2
    assert [line for line in bad if line != added] == good


def test_lines_can_be_repeated() -> None:
    good, bad = raw_lines("duplicate")
    assert len(bad) == 12
    assert set(bad) == set(good)


def test_repeated_lines_can_differ() -> None:
    good, bad = raw_lines("duplicate-different")
    added = [json.loads(line) for line in bad if line not in good]
    known = {json.loads(line)["custom_id"] for line in good}
    assert len(added) == 2
    assert {line["custom_id"] for line in added} <= known


def test_lines_can_be_missing() -> None:
    good, bad = raw_lines("missing")
    assert len(bad) == 8
    assert set(bad) < set(good)


def test_lines_can_have_unknown_ids() -> None:
    _, bad = raw_lines("unknown-id")
    ids = [json.loads(line)["custom_id"] for line in bad]
    assert sum(name.startswith("unknown-") for name in ids) == 2


def test_lines_of_another_batch_can_be_mixed_in() -> None:
    good, bad = raw_lines("foreign")
    assert len(bad) == len(good)
    assert [json.loads(line)["custom_id"] for line in bad if line not in good] == ["stranger"]


def test_every_line_fault_is_tested_here() -> None:
    assert set(LINES) == {
        *("cut-line", "cut", "short", "broken", "garbled", "html-line", "blank", "duplicate"),
        *("duplicate-different", "missing", "unknown-id", "foreign"),
    }


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("overloaded", "overloaded_error"),
        ("api-error", "api_error"),
        ("timeout", "timeout_error"),
        ("invalid", "invalid_request_error"),
    ],
)
def test_a_share_of_rows_can_fail(what: str, kind: str) -> None:
    desk = a_desk(f"row:{what}:p=0.5", seed=3)
    lines = desk.lines(desk.create(*IDS)).values()
    failed = [line["error"]["error"]["type"] for line in lines if line["type"] == "errored"]
    assert 0 < len(failed) < 10
    assert set(failed) == {kind}


@pytest.mark.parametrize(
    ("what", "stop"),
    [("refusal", "refusal"), ("max-tokens", "max_tokens"), ("pause-turn", "pause_turn")],
)
def test_a_row_can_succeed_and_be_useless(what: str, stop: str) -> None:
    desk = a_desk(f"row:{what}:id=*-3")
    lines = desk.lines(desk.create(*IDS))
    stops = {name: line["message"]["stop_reason"] for name, line in lines.items()}
    assert {name for name, reason in stops.items() if reason == stop} == {"r-3"}
    assert len(list(desk.sandbox.billing_log().billed())) == 10


@pytest.mark.parametrize("call", [call for call in CALLS if call not in {"row", "any"}])
def test_every_call_can_meet_every_fault_of_its_own(call: str) -> None:
    for what in kind_names(call):
        desk = a_desk(f"{call}:{what}:times=1", plan=Plan.instant())
        batch_id = desk.sandbox.add_foreign(["a"])
        one = f"{BATCHES}/{batch_id}"
        calls = {
            "create": ("POST", BATCHES, create_body(["b"])),
            "retrieve": ("GET", one, None),
            "list": ("GET", BATCHES, None),
            "results": ("GET", f"{one}/results", None),
            "cancel": ("POST", f"{one}/cancel", None),
            "delete": ("DELETE", one, None),
            "messages": ("POST", "/v1/messages", a_params()),
        }
        answer = desk.call(*calls[call])
        assert desk.sandbox.faults.hits() == 1, what
        assert answer.status in {200, 307, 400, *STATUSES, 413}


def test_conditions_are_counted_per_rule() -> None:
    faults = Faults.parse(["any:500:every=3:times=2", "list:409:batch=b1"])
    picked = [faults.pick("list", "") for _ in range(12)]
    assert [at for at, rule in enumerate(picked) if rule] == [2, 5]
    assert faults.pick("list", "b1") == Fault(call="list", what="409", batch="b1")


def test_chance_is_the_same_again_for_the_same_seed() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults.parse(["list:500:p=0.5"], seed=seed)
        return [faults.pick("list", "") is not None for _ in range(30)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert any(struck(1))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("create", "write call:what"),
        ("", "write call:what"),
        ("crate:drop", "fault call 'crate': use one of create, retrieve"),
        ("create:missing", "fault 'missing' on create: use one of connect"),
        ("row:drop", "fault 'drop' on row: use one of overloaded"),
        ("create:drop:time=1", "option 'time' is not one of nth, every"),
        ("create:drop:times=x", "times='x' is not a number"),
    ],
)
def test_a_bad_rule_is_one_clear_line(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Fault.parse(spec)
    assert "\n" not in str(caught.value)
