"""Content blocks of the tools that run at the API: each call, and what it returned."""

from collections.abc import Iterator

from titan_console.sandbox.model.rows import Row

# Of one tool; more would only make results large.
_MOST_CALLS = 20
_PAGE = "A page about the question."

Block = dict[str, object]


def server_tool_blocks(row: Row) -> list[Block]:
    """The searches and fetches of an answer, as pairs of a call and its result."""
    extras = row.extras
    if extras is None:
        return []
    blocks: list[Block] = []
    for number in range(min(extras.searches or 0, _MOST_CALLS)):
        blocks += _search(row, number)
    for number in range(min(extras.fetches or 0, _MOST_CALLS)):
        blocks += _fetch(row, number)
    return blocks


def unfinished_call(row: Row) -> Block:
    """The call at which a long turn pauses: the next request continues there."""
    return _call(row, "web_search", _MOST_CALLS - 1, {"query": "the next question"})


def _search(row: Row, number: int) -> Iterator[Block]:
    call = _call(row, "web_search", number, {"query": f"question {number + 1}"})
    yield call
    result: Block = {
        "type": "web_search_result",
        "url": _url(number),
        "title": f"Page {number + 1}",
        "encrypted_content": f"{row.digest:016x}" * 4,
        "page_age": None,
    }
    yield {"type": "web_search_tool_result", "tool_use_id": call["id"], "content": [result]}


def _fetch(row: Row, number: int) -> Iterator[Block]:
    call = _call(row, "web_fetch", number, {"url": _url(number)})
    yield call
    source: Block = {"type": "text", "media_type": "text/plain", "data": _PAGE}
    document: Block = {"type": "document", "source": source, "title": f"Page {number + 1}"}
    page: Block = {
        "type": "web_fetch_result",
        "url": _url(number),
        "content": document,
        "retrieved_at": None,
    }
    yield {"type": "web_fetch_tool_result", "tool_use_id": call["id"], "content": page}


def _call(row: Row, name: str, number: int, given: Block) -> Block:
    place = number + (_MOST_CALLS if name == "web_fetch" else 0)
    return {
        "type": "server_tool_use",
        "id": f"srvtoolu_01{place:02d}{row.digest % 10**20:020d}",
        "name": name,
        "input": given,
    }


def _url(number: int) -> str:
    return f"https://example.com/pages/{number + 1}"
