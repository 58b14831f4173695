"""The blocks of tools that run at the API are delivered and shown."""

import json
from collections import Counter

from support.builders import Bench, a_request

from core.delivery.results import results
from core.intake.options import SubmitOptions
from state.model.records import Outcome
from state.queries import request_detail
from titan_console.session.body_reader import BodyReader

_SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
_FETCH = {
    "type": "web_fetch_20250910",
    "name": "web_fetch",
    "max_uses": 1,
    "max_content_tokens": 100,
}


def test_the_calls_and_results_of_server_tools_are_delivered_and_shown(bench: Bench) -> None:
    asked = a_request("feed-2026-11-22-00001", tools=[_SEARCH, _FETCH])
    sent = bench.engine.submit([asked], SubmitOptions(tag="t", workflow="feed")).submission
    bench.poll_after(3600)
    [path] = bench.folder.staging.glob("feed-results-*.jsonl")
    delivered = json.loads(path.read_text("utf-8"))
    content = delivered["message"]["content"]
    kinds = Counter(block["type"] for block in content)
    assert kinds["server_tool_use"] == kinds["web_search_tool_result"] + 1
    assert (kinds["web_fetch_tool_result"], kinds["text"]) == (1, 1)
    # Each result follows its call, and the text is that of the text block alone.
    calls = {block["id"] for block in content if block["type"] == "server_tool_use"}
    assert {block["tool_use_id"] for block in content if "tool_use_id" in block} == calls
    [text] = [block["text"] for block in content if block["type"] == "text"]
    assert delivered["text"] == text
    [result] = results(bench.engine.context.ledger, bench.folder, sent.key)
    assert (result["outcome"], result["message"]) == (Outcome.SUCCEEDED, delivered["message"])
    found = request_detail.request(bench.engine.context.ledger, "t", "feed-2026-11-22-00001")
    assert found is not None
    assert found.effective is not None
    document = BodyReader(bench.folder).answer_document(found.effective)
    assert document is not None
    shown = document.text()
    for name in ("web_search_tool_result", "web_fetch_tool_result", *calls, text):
        assert name in shown
