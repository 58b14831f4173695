"""The sandbox behind a real socket."""

import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from support.api.sandbox_client import BATCHES, START, create_body

from core.clock import ManualClock
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.http.server import running
from titan_console.sandbox.model.accelerated_clock import AcceleratedClock
from titan_console.sandbox.model.timing import Plan

HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21"}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(AcceleratedClock(ManualClock(START)), plan=Plan.seconds(60, 60))


@pytest.fixture
def url(sandbox: Sandbox) -> Iterator[str]:
    with running(sandbox) as base:
        yield base


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, headers=HEADERS, trust_env=False) as client:
        yield client


@pytest.fixture
def sdk(url: str) -> Iterator[anthropic.Anthropic]:
    with (
        httpx2.Client(trust_env=False) as client,
        anthropic.Anthropic(api_key="k", base_url=url, http_client=client, max_retries=0) as sdk,
    ):
        yield sdk


def requests(*custom_ids: str) -> Any:
    return create_body(custom_ids)["requests"]


def test_the_sdk_works_over_the_wire(sdk: anthropic.Anthropic, http: httpx2.Client) -> None:
    made = sdk.messages.batches.create(requests=requests("a", "b"))
    assert http.post("/sandbox/advance", params={"seconds": "60"}).status_code == 200
    ended = sdk.messages.batches.retrieve(made.id)
    assert (ended.results_url or "").startswith(str(http.base_url).rstrip("/"))
    assert {line.custom_id for line in sdk.messages.batches.results(made.id)} == {"a", "b"}
    with sdk.messages.stream(
        model="claude-haiku-4-5", max_tokens=99, messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        assert stream.get_final_text()


def test_raw_calls_see_the_real_headers(http: httpx2.Client) -> None:
    made = http.post(BATCHES, json=create_body(["a"]))
    assert made.headers["content-type"] == "application/json"
    assert "server" not in made.headers
    polled = http.get(f"{BATCHES}/{made.json()['id']}")
    assert polled.headers["retry-after"] == "10"
    assert polled.headers["request-id"].startswith("req_01")


def test_a_large_create_and_its_results_pass_through(http: httpx2.Client, sandbox: Sandbox) -> None:
    body = create_body([f"r-{n}" for n in range(5000)], text="lorem ipsum " * 100)
    batch_id = http.post(BATCHES, json=body).json()["id"]
    sandbox.end(batch_id)
    with http.stream("GET", f"{BATCHES}/{batch_id}/results") as answer:
        assert answer.headers["content-type"] == "application/x-jsonl"
        assert sum(block.count(b"\n") for block in answer.iter_bytes()) == 5000


@pytest.mark.parametrize("fault", ["drop", "drop-before", "connect"])
def test_a_dropped_call_gets_no_status_line(
    http: httpx2.Client, sandbox: Sandbox, fault: str
) -> None:
    sandbox.faults.add(f"create:{fault}:times=1")
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending a response"):
        http.post(BATCHES, json=create_body(["a"]))
    assert len(sandbox.batches()) == (1 if fault == "drop" else 0)
    assert http.get(BATCHES).status_code == 200


def test_a_silent_server_outlasts_the_caller(http: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:timeout:times=1")
    with pytest.raises(httpx2.ReadTimeout):
        http.post(BATCHES, json=create_body(["a"]), timeout=0.2)
    # On a busy machine the server reads the request after the caller has left.
    left = iter(range(300))
    while not sandbox.batches() and next(left, None) is not None:
        threading.Event().wait(0.1)
    assert len(sandbox.batches()) == 1


@pytest.mark.parametrize("fault", ["short", "broken"])
def test_a_download_breaks_on_the_wire(http: httpx2.Client, sandbox: Sandbox, fault: str) -> None:
    batch_id = http.post(BATCHES, json=create_body(["a", "b"])).json()["id"]
    sandbox.end(batch_id)
    sandbox.faults.add(f"results:{fault}")
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete message body"):
        http.get(f"{BATCHES}/{batch_id}/results")


def test_a_page_of_a_proxy_arrives(http: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:html-413")
    answer = http.post(BATCHES, json=create_body(["a"]))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html")


def test_many_callers_at_once_get_batches_of_their_own(url: str, sandbox: Sandbox) -> None:
    def send() -> None:
        with httpx2.Client(base_url=url, headers=HEADERS, trust_env=False) as client:
            for _ in range(5):
                client.post(BATCHES, json=create_body(["a", "b"])).raise_for_status()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({batch["id"] for batch in sandbox.batches()}) == 40


def test_the_control_surface_steers_and_shows(http: httpx2.Client) -> None:
    batch_id = http.post(BATCHES, json=create_body(["a"])).json()["id"]
    [ended] = http.post(f"/sandbox/end/{batch_id}").json()
    assert ended["processing_status"] == "ended"
    billing_log = http.get("/sandbox/billing_log").json()
    assert billing_log["creates"] == 1
    assert billing_log["batches"][0]["billed"][0]["custom_id"] == "a"
    assert http.post("/sandbox/end/nope").status_code == 404
    assert http.post("/sandbox/advance", params={"seconds": "-1"}).status_code == 400


def test_a_batch_is_made_to_vanish_and_to_be_endless(http: httpx2.Client) -> None:
    batch_id = http.post(BATCHES, json=create_body(["a"])).json()["id"]
    assert http.post(f"/sandbox/endless/{batch_id}").status_code == 200
    assert http.post(f"/sandbox/vanish/{batch_id}", params={"seconds": "60"}).status_code == 200
    assert http.get(f"{BATCHES}/{batch_id}").status_code == 404
    assert http.get(BATCHES).json()["data"] == []
    assert http.post("/sandbox/advance", params={"seconds": "60"}).status_code == 200
    assert http.get(f"{BATCHES}/{batch_id}").json()["processing_status"] == "in_progress"
    for path in ("vanish", "endless"):
        assert http.post(f"/sandbox/{path}/nope").status_code == 404
    assert http.post(f"/sandbox/vanish/{batch_id}", params={"seconds": "x"}).status_code == 400


def test_faults_are_switched_over_http(http: httpx2.Client) -> None:
    rule = {"rule": "list:529:times=1"}
    assert http.post("/sandbox/faults", params=rule).json()[0]["what"] == "529"
    assert [http.get(BATCHES).status_code for _ in range(2)] == [529, 200]
    assert http.delete("/sandbox/faults").json() == []
    bad = http.post("/sandbox/faults", params={"rule": "list:nope"})
    assert bad.status_code == 400
    assert bad.text.count("\n") == 1


def test_a_warped_clock_runs_faster_and_can_be_pushed() -> None:
    base = ManualClock(START)
    clock = AcceleratedClock(base, speed=60)
    base.advance(2)
    assert clock.monotonic() == 120
    clock.advance(30)
    assert (clock.now() - START).total_seconds() == 150
    clock.sleep(60)
    assert base.monotonic() == 3
    with pytest.raises(ValueError, match="must be greater than 0"):
        AcceleratedClock(base, speed=0)
