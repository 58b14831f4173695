"""A run keeps its limit, loses nothing when it is stopped, and its recording is safe to send."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from msgspec import to_builtins
from support.api import cloud_auth
from support.api.sandbox_client import create_body
from support.api.verify_run import BASE_URL, KEY, START, VerifyRun

from core.api.credentials import Credentials
from core.api.exchanges import Answer, Call
from core.api.platform import Platform, SdkAccount
from core.api.raw_calls import RawApi, RawSdkApi
from core.errors import InputError
from titan_console.sandbox.http.transport import SandboxTransport, client
from titan_console.sandbox.replay import Replay
from titan_console.verify_api.plan import CANCEL, CUT, IDS, READ, USAGE
from titan_console.verify_api.privacy import Privacy
from titan_console.verify_api.report import open_batches, report
from titan_console.verify_api.session import INTERRUPTED, StillRunningError, drop_torn_line, read


def open_at(run: VerifyRun) -> dict[str, str]:
    """The batches at the sandbox that have not ended, with their status."""
    return {
        str(batch["id"]): str(batch["processing_status"])
        for batch in run.sandbox.batches()
        if batch["ended_at"] is None
    }


class KilledError(BaseException):
    """The process ends."""


def facts(run: VerifyRun) -> object:
    return to_builtins(report(run.evidence(), "-", run.prices).facts)


def killed_at(run: VerifyRun, number: int) -> Callable[[Call], Answer]:
    """The process is killed at that call: after it was sent, before the answer is recorded."""
    count = 0

    def send(call: Call) -> Answer:
        nonlocal count
        count += 1
        answer = run.api.send(call)
        if count == number:
            raise KilledError
        return answer

    return send


def test_a_run_that_is_killed_at_any_call_goes_on_and_knows_each_batch(tmp_path: Path) -> None:
    whole = VerifyRun(tmp_path / "whole.jsonl")
    calls = len(whole.finish().exchanges)
    for number in range(1, calls, 9):
        run = VerifyRun(tmp_path / f"{number}.jsonl")
        with pytest.raises(KilledError):
            run.script(send=killed_at(run, number)).finish()
        with run.path.open("ab") as file:
            file.write(b'{"line":"exch')
        drop_torn_line(run.path)
        evidence = run.finish()
        made = {str(batch["id"]) for batch in run.sandbox.batches()}
        assert made == {evidence.id_of(name) for name in evidence.plan.batches}
        assert run.sandbox.billing_log().creates == whole.sandbox.billing_log().creates
        assert not [
            one for one in report(evidence, "-", run.prices).facts if one.verdict == "not_held"
        ]


def test_a_create_that_was_interrupted_is_not_sent_again(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")

    def send(call: Call) -> Answer:
        answer = run.api.send(call)
        if "verify-plain" in (call.body or ""):
            raise KilledError
        return answer

    with pytest.raises(KilledError):
        run.script(send=send).finish()
    evidence = run.finish()
    assert evidence.answer(f"create {USAGE}") == INTERRUPTED
    assert evidence.id_of(USAGE) in {str(batch["id"]) for batch in run.sandbox.batches()}
    assert len(evidence.results(USAGE)) == 6


@pytest.mark.parametrize("name", [CANCEL, IDS])
def test_a_batch_of_another_program_is_never_canceled_or_deleted(tmp_path: Path, name: str) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")
    theirs: list[str] = []

    def send(call: Call) -> Answer:
        if call.body == run.plan.body(name):
            # The create fails, and another program makes a batch of the same size.
            ids = [f"theirs-{number}" for number in range(len(run.plan.batches[name]))]
            theirs.append(run.sandbox.add_foreign(ids))
            return Answer(failure="timeout")
        if theirs and theirs[0] in call.path:
            assert call.method == "GET"
            return Answer(status=500, body="{}")
        return run.api.send(call)

    run.script(send=send).finish()
    (batch,) = [one for one in run.sandbox.batches() if one["id"] == theirs[0]]
    assert batch["cancel_initiated_at"] is None


def test_a_run_that_waits_no_longer_names_its_batches_and_can_be_continued(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")
    with pytest.raises(StillRunningError):
        run.script(wait=timedelta(minutes=2)).finish()
    left = {one.remote_id for one in open_batches(run.evidence())}
    assert left == set(open_at(run))
    assert run.finish().is_complete
    assert list(open_batches(run.evidence())) == []


def test_a_run_that_is_abandoned_cancels_what_is_open(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")
    with pytest.raises(StillRunningError):
        run.script(wait=timedelta(minutes=2)).finish()
    left = open_at(run)
    cut = run.evidence().id_of(CUT)
    names = run.script().abandon()
    # The one that was only found in a list may be another program's.
    assert {run.evidence().id_of(name) for name in names} == left.keys() - {cut}
    assert {open_at(run)[batch] for batch in left if batch != cut} == {"canceling"}
    assert run.evidence().is_complete


def test_nothing_is_sent_that_could_pass_the_limit(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")
    limit = run.costs.probe * 6 + run.costs.batches[CUT]
    with pytest.raises(InputError) as raised:
        run.script(limit_nano=limit).finish()
    assert raised.value.code == "over_budget"
    assert len(run.sandbox.batches()) == 1


def test_answers_that_cost_more_than_expected_count_against_the_limit(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl", "results:many-tokens")
    run.sandbox.faults.add("row:overloaded:id=verify-long")
    # Enough for the plan, and not for what the batches turn out to cost.
    with pytest.raises(InputError):
        run.script(limit_nano=run.costs.total - run.costs.batches[READ] // 2).finish()
    assert READ not in {name for name in run.plan.batches if run.evidence().id_of(name)}


def test_the_maximum_cost_is_never_below_the_bill(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")
    found = report(run.finish(), "-", run.prices)
    assert found.cost_usd is not None
    assert 0 < found.cost_usd < run.costs.total / 1e9 < 0.2


def test_the_recording_names_no_key_no_account_and_no_batch_of_others(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")
    # As many requests as the create that is cut: one before the run, one during it.
    before = run.sandbox.add_foreign(("theirs-1", "theirs-2", "theirs-3"))
    during: list[str] = []

    def send(call: Call) -> Answer:
        if call.is_cut:
            during.append(run.sandbox.add_foreign(("theirs-4", "theirs-5", "theirs-6")))
        return run.api.send(call)

    run.script(send=send).finish()
    text = run.path.read_text("utf-8")
    for secret in (
        KEY,
        before,
        "theirs-",
        "wrkspc_",
        "req_01",
        "workerreq_01",
        BASE_URL,
        "api.test",
    ):
        assert secret not in text, secret
    assert during
    assert run.evidence().is_complete


def test_another_batch_of_the_same_size_is_not_taken_for_the_one_that_was_cut(
    tmp_path: Path,
) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")

    def send(call: Call) -> Answer:
        answer = run.api.send(call)
        if call.is_cut:
            run.clock.advance(1)
            run.sandbox.add_foreign(("theirs-4", "theirs-5", "theirs-6"))
        return answer

    run.script(send=send).finish()
    assert "theirs-" not in run.path.read_text("utf-8")
    assert set(run.evidence().results(CUT)) == {f"verify-cut-{number}" for number in range(3)}


@pytest.mark.parametrize("page", [b"<html>proxy.corp.example at 10.1.2.3</html>", b"plain"])
def test_a_page_of_a_proxy_is_left_out(tmp_path: Path, page: bytes) -> None:
    run = VerifyRun(tmp_path / "run.jsonl")
    pages = httpx2.MockTransport(lambda _request: httpx2.Response(502, content=page))
    api = RawApi(
        base_url="https://llm.corp.example/v1x",
        credentials=Credentials(api_key=KEY),
        http_client=httpx2.Client(transport=pages),
    )
    with pytest.raises(Exception, match="502"):
        run.script(send=api.send).finish()
    text = run.path.read_text("utf-8")
    assert "left out" in text
    assert "corp" not in text


def test_an_error_of_a_gateway_names_no_host_person_or_account() -> None:
    told = (
        "No budget for jo.doe@corp.example in wrkspc_01AbCdEfGh12, user 7b7ff9f4-ce91-4bd9-a52a-"
        f"c1cb2b6bdff7, key {KEY}: ask db.corp.example (10.0.0.7) or https://help.corp.example/x?"
    )
    pages = httpx2.MockTransport(
        lambda _request: httpx2.Response(
            400, json={"type": "error", "error": {"type": "x", "message": told}}
        )
    )
    api = RawApi(
        base_url="https://llm.corp.example/api",
        credentials=Credentials(api_key=KEY),
        http_client=httpx2.Client(transport=pages),
    )
    privacy = Privacy("n", "https://llm.corp.example/api")
    clean = privacy.clean(api.send(Call(method="GET", path="/v1/models"))).body
    assert "No budget for" in clean
    assert not {
        part for part in ("jo.doe", "corp", "01AbCd", "7b7ff9f4", KEY, "10.0.0.7") if part in clean
    }


def test_the_sandbox_answers_as_a_recording_and_the_report_is_the_same(tmp_path: Path) -> None:
    recorded = VerifyRun(
        tmp_path / "run.jsonl", "results:other-tier", "create:late:nth=7:seconds=3000"
    )
    recorded.finish()
    again = VerifyRun(tmp_path / "again.jsonl")
    replay = Replay(read(recorded.path), recorded.clock)
    api = RawApi(
        base_url=BASE_URL,
        credentials=Credentials(api_key="another-key-of-another-user"),
        http_client=httpx2.Client(transport=SandboxTransport(replay)),
    )
    assert again.clock.now() == START
    again.script(send=api.send).finish()
    assert facts(again) == facts(recorded)


def test_a_run_through_the_sdk_reports_the_same_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call is signed, but for the one with a wrong key; one create is cut off."""
    direct = VerifyRun(tmp_path / "direct.jsonl")
    direct.finish()
    cloud_auth.aws_profiles(tmp_path / "aws", KEY)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws"))
    account = SdkAccount(
        platform=Platform.AWS,
        base_url=BASE_URL,
        workspace=cloud_auth.WORKSPACE,
        profile=KEY,
        region=cloud_auth.REGION,
    )
    run = VerifyRun(tmp_path / "aws.jsonl", kind=cloud_auth.CheckedSandbox)
    assert isinstance(run.sandbox, cloud_auth.CheckedSandbox)
    run.sandbox.accepts, run.sandbox.secret = cloud_auth.AWS, KEY
    with closing(RawSdkApi(account, client(run.sandbox))) as api:
        run.script(send=api.send).finish()
    assert run.sandbox.refused == ["not signed"]
    # The message of a wrong key is that of the platform.
    assert json.loads(json.dumps(facts(run)).replace("not signed", "API key is invalid")) == facts(
        direct
    )
    text = run.path.read_text("utf-8")
    assert not [word for word in (KEY, "AWS4", cloud_auth.KEY_ID) if word in text]


def test_an_answer_of_a_platform_names_no_project_and_no_role() -> None:
    answer = Answer(
        status=403,
        body="arn:aws:sts::123456789012:assumed-role/nightly may not call"
        " https://x.googleapis.com/v1/projects/secret-project/locations/global",
    )
    clean = Privacy("n", "https://x.googleapis.com").clean(answer).body
    assert not [word for word in ("123456789012", "nightly", "secret-project") if word in clean]


def test_a_call_that_the_recording_lacks_is_a_404_that_says_so(tmp_path: Path) -> None:
    recorded = VerifyRun(tmp_path / "run.jsonl")
    recorded.finish()
    api = RawApi(
        base_url=BASE_URL,
        credentials=Credentials(api_key=KEY),
        http_client=httpx2.Client(
            transport=SandboxTransport(Replay(read(recorded.path), recorded.clock))
        ),
    )
    body = json.dumps(create_body(["other"]))
    answer = api.send(Call(method="POST", path="/v1/messages/batches", body=body))
    assert (answer.status, "recording has no" in answer.body) == (404, True)
