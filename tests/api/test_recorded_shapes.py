"""Traffic in the shapes that recordings of the real API have had since 2025, made up anew."""

import json
from collections.abc import Mapping

import httpx2
import pytest
from support.api.mock_transport import a_batch, a_body, an_api, streamed

from core.api.line_splitter import split_lines
from core.api.result_schema import decode
from core.errors import NotFound
from state.model.records import BatchStatus, CollectedResult, Outcome, Usage

PATH = "/v1/messages/batches"
ERAS: dict[str, dict[str, str]] = {
    "2025": {"via": "1.1 google", "server": "cloudflare"},
    "2026-06": {"anthropic-organization-id": "org", "server": "cloudflare"},
    "2026-08": {
        "anthropic-organization-id": "org",
        "anthropic-workspace-id": "wrkspc_1",
        "content-security-policy": "default-src 'none'",
        "vary": "Accept-Encoding",
    },
}
ACCOUNTS = {"2025": None, "2026-06": "org", "2026-08": "org/wrkspc_1"}
SPLIT = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 7}
USAGES: dict[str, dict[str, object]] = {
    "2025": {"cache_creation_input_tokens": 7, "cache_read_input_tokens": 2},
    "2026-06": {
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 2,
        "cache_creation": SPLIT,
        "service_tier": "batch",
        "inference_geo": "not_available",
    },
    "2026-08": {
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 2,
        "cache_creation": SPLIT,
        "service_tier": "batch",
        "inference_geo": "not_available",
        "output_tokens_details": {"thinking_tokens": 1},
        "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
    },
}


def a_row(era: str) -> dict[str, object]:
    message = {
        "id": "msg_01ABCdefGHIjkl",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "Jupiter\u2028and Saturn"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 15, **USAGES[era], "output_tokens": 5},
    }
    if era != "2025":
        message["stop_details"] = None
    return {"custom_id": "planet-k3x9q2ab", "result": {"type": "succeeded", "message": message}}


def an_errored_row(era: str) -> dict[str, object]:
    inner: dict[str, object] = {"type": "invalid_request_error", "message": "Prompt too long"}
    outer: dict[str, object] = {"type": "error", "error": inner}
    if era != "2025":
        inner["details"] = {"error_visibility": "user_facing"}
        outer["request_id"] = None
    return {"custom_id": "long-k3x9q2ab", "result": {"type": "errored", "error": outer}}


class Recording:
    """Answers from a table of paths; any other call fails."""

    def __init__(self, era: str) -> None:
        ended = a_batch(
            processing_status="ended",
            request_counts={
                "processing": 0,
                "succeeded": 1,
                "errored": 1,
                "canceled": 0,
                "expired": 0,
            },
            ended_at="2026-08-19T14:52:30.044811+00:00",
            results_url=f"https://api.anthropic.com{PATH}/msgbatch_01AbC/results",
        )
        lines = [
            json.dumps(row, separators=(",", ":")) for row in (a_row(era), an_errored_row(era))
        ]
        canceling = a_batch(
            processing_status="canceling", cancel_initiated_at="2026-08-19T14:49:31.128476+00:00"
        )
        listed = {"data": [ended, canceling], "has_more": False, "first_id": "x", "last_id": "y"}
        self._answers: Mapping[tuple[str, str], str] = {
            ("POST", PATH): json.dumps(a_batch()),
            ("GET", PATH): json.dumps(listed),
            ("GET", f"{PATH}/msgbatch_01AbC"): json.dumps(ended),
            ("GET", f"{PATH}/msgbatch_01AbC/results"): "\n".join(lines) + "\n",
            ("POST", f"{PATH}/msgbatch_01AbC/cancel"): json.dumps(canceling),
        }
        self._headers = {"request-id": "req_01ABC", **ERAS[era]}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        text = self._answers.get((request.method, request.url.path))
        if text is None:
            error = {"type": "not_found_error", "message": "No available results."}
            return httpx2.Response(404, json={"type": "error", "error": error})
        return streamed(200, text.encode(), self._headers)


@pytest.mark.parametrize("era", ERAS)
def test_a_batch_of_any_year_is_created_listed_seen_and_canceled(era: str) -> None:
    api = an_api(Recording(era))
    created = api.create(a_body())
    assert created.account == ACCOUNTS[era]
    assert created.remote.status == BatchStatus.IN_PROGRESS
    page = api.list_page()
    assert [batch.status for batch in page.batches] == [BatchStatus.ENDED, BatchStatus.CANCELING]
    assert page.account == ACCOUNTS[era]
    seen = api.retrieve("msgbatch_01AbC")
    assert (seen.counts.total(), seen.ended_ts) == (2, "2026-08-19T14:52:30.044Z")
    assert api.cancel("msgbatch_01AbC").cancel_ts == "2026-08-19T14:49:31.128Z"


@pytest.mark.parametrize("era", ERAS)
def test_results_of_any_year_are_read_to_the_token(era: str) -> None:
    with an_api(Recording(era)).results("msgbatch_01AbC") as pieces:
        good, bad = (decode(line) for line in split_lines(pieces))
    five_minutes, one_hour = (7, 0) if era == "2025" else (0, 7)
    assert good == CollectedResult(
        custom_id="planet-k3x9q2ab",
        outcome=Outcome.SUCCEEDED,
        model="claude-haiku-4-5-20251001",
        stop_reason="end_turn",
        usage=Usage(
            input_tokens=15,
            output_tokens=5,
            cache_write_5m_tokens=five_minutes,
            cache_write_1h_tokens=one_hour,
            cache_read_tokens=2,
            service_tier=None if era == "2025" else "batch",
            inference_geo=None if era == "2025" else "not_available",
        ),
    )
    assert (bad.outcome, bad.error_type) == (Outcome.ERRORED, "invalid_request_error")


def test_results_that_are_not_there_yet_are_a_404_without_an_id() -> None:
    api = an_api(Recording("2026-08"))
    with pytest.raises(NotFound, match="No available results"), api.results("msgbatch_01Xyz"):
        pass
