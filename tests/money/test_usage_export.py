"""The provider's usage export: parsed strictly, compared by day and model."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import structs

from core.errors import InputError
from core.money.usage_export import Export, Key, add, compare, read, totals
from state.model.usage import Usage

HEADER = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,"
    "usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
    "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
    "web_search_count"
)
ROW = "2026-11-21,claude-sonnet-4-6,key,Default,batch,≤ 200k,1000,0,20,300,50,0"
KEY = ("2026-11-21", "claude-sonnet-4-6", "")
INVALID = "export_value_invalid"
ALL = Usage(input_tokens=1000, output_tokens=50, cache_write_1h_tokens=20, cache_read_tokens=300)


def csv(*rows: str) -> bytes:
    return "\n".join((HEADER, *rows)).encode()


def a_report(**changes: Any) -> bytes:
    result = {
        "uncached_input_tokens": 1000,
        "cache_creation": {"ephemeral_1h_input_tokens": 20, "ephemeral_5m_input_tokens": 0},
        "cache_read_input_tokens": 300,
        "output_tokens": 50,
        "model": "claude-sonnet-4-6",
        "service_tier": "batch",
        **changes,
    }
    bucket = {"starting_at": "2026-11-21T00:00:00Z", "results": [result]}
    return json.dumps({"data": [bucket], "has_more": False}).encode()


@pytest.mark.parametrize("content", [csv(ROW), b"\xef\xbb\xbf" + csv(ROW), a_report()])
def test_both_forms_say_the_same(content: bytes) -> None:
    export = read(content)
    assert export.usage == {KEY: ALL}
    assert export.is_batch_only
    assert export.days == ("2026-11-21", "2026-11-21")


def test_rows_of_several_keys_are_added_and_standard_ones_left_out() -> None:
    export = read(csv(ROW, ROW.replace("key", "other"), ROW.replace("batch", "standard")))
    assert export.usage[KEY].output_tokens == 100


def test_an_export_without_tiers_is_not_batch_only() -> None:
    assert not read(a_report(service_tier=None)).is_batch_only


BAD = [
    pytest.param(b"date,model,tokens\n1,2,3\n", "export_columns_missing", "_utc", id="columns"),
    pytest.param(csv(), "export_empty", "no rows", id="empty"),
    pytest.param(b"", "export_columns_missing", "none", id="nothing"),
    pytest.param(csv(ROW.replace("1000", "-5")), INVALID, "Line 2 of the export", id="negative"),
    pytest.param(csv(ROW.replace("1000", "9" * 5000)), INVALID, "10.15, not '9999", id="digits"),
    pytest.param(
        csv(ROW).replace(b"api_key", b"web_search_count"),
        "export_columns_repeated",
        "the column web_search_count more than once",
        id="repeated column",
    ),
    pytest.param(
        a_report().replace(b'"has_more": false', b'"has_more": true'),
        "export_incomplete",
        "one page of several",
        id="one page",
    ),
    pytest.param(csv(ROW.replace("1000", "")), INVALID, "''", id="absent"),
    pytest.param(csv(ROW.replace("1000", "1e3")), INVALID, "'1e3'", id="float"),
    pytest.param(csv(ROW.replace("2026-11-21", "May")), INVALID, "'May'", id="date"),
    pytest.param(csv(ROW.replace("claude-sonnet-4-6", "")), INVALID, "model", id="model"),
    pytest.param(csv(ROW[:40]), INVALID, "None", id="short row"),
    pytest.param(b"{", "not_json", "JSON", id="json"),
    pytest.param(b"[]", "export_keys_missing", '"data"', id="list"),
    pytest.param(b'{"data": [{}]}', "export_keys_missing", '"results"', id="results"),
    pytest.param(b'{"data": [3]}', "export_keys_missing", '"results"', id="bucket"),
    pytest.param(a_report(cache_creation=None), "export_keys_missing", "cache_cr", id="cache"),
    pytest.param(a_report(output_tokens=None), INVALID, "output_tokens", id="absent in JSON"),
    pytest.param(a_report(model=None), INVALID, "model", id="not by model"),
    pytest.param(b"\xff\xfe", "not_utf8", "UTF-8", id="bytes"),
]


@pytest.mark.parametrize(("content", "code", "named"), BAD)
def test_an_export_that_is_unknown_or_wrong_is_rejected(
    content: bytes, code: str, named: str
) -> None:
    with pytest.raises(InputError, match=named) as raised:
        read(content)
    assert raised.value.code == code
    assert "\n" not in str(raised.value)


def export_of(
    usage: Mapping[Key, Usage], *, has_regions: bool = True, has_searches: bool = True
) -> Export:
    return Export(
        usage=usage, is_batch_only=True, has_regions=has_regions, has_searches=has_searches
    )


def test_regions_and_searches_are_read_from_both_forms() -> None:
    header = f"{HEADER},inference_geo"
    row = ROW.removesuffix("0") + "7"
    from_csv = read("\n".join((header, f"{row},us", f"{ROW},global")).encode())
    assert from_csv.usage == {
        (*KEY[:2], "us"): structs.replace(ALL, web_searches=7),
        (*KEY[:2], "global"): ALL,
    }
    from_json = read(a_report(inference_geo="us", server_tool_use={"web_search_requests": 7}))
    assert from_json.usage == {(*KEY[:2], "us"): structs.replace(ALL, web_searches=7)}
    assert from_csv.has_regions
    assert from_json.has_regions
    assert from_json.has_searches
    plain = read(a_report())
    assert (plain.has_regions, plain.has_searches) == (False, False)


def test_regions_and_searches_are_compared_where_the_export_has_them() -> None:
    us: Key = (*KEY[:2], "us")
    plain: Key = (*KEY[:2], "not_available")
    ours: dict[Key, Usage] = {us: structs.replace(ALL, web_searches=5), plain: ALL}
    theirs: dict[Key, Usage] = {us: structs.replace(ALL, web_searches=3), (*KEY[:2], "global"): ALL}
    found = [(row.region, row.text()) for row in compare(ours, export_of(theirs))]
    assert found == [("", "same"), ("us", "web_searches +2")]
    one_row: dict[Key, Usage] = {KEY: add(ALL, ALL)}
    without = compare(ours, export_of(one_row, has_regions=False, has_searches=False))
    assert [row.text() for row in without] == ["same"]


def test_differences_are_named_kind_by_kind() -> None:
    ours = {
        KEY: Usage(input_tokens=1000, output_tokens=51, cache_write_1h_tokens=20),
        ("2026-11-21", "claude-haiku-4-5-20251001", ""): Usage(input_tokens=5),
        ("2026-11-20", "claude-opus-5", "global"): Usage(input_tokens=1),
    }
    theirs = {
        KEY: ALL,
        ("2026-11-21", "claude-haiku-4-5", ""): Usage(input_tokens=5),
        ("2026-11-22", "claude-opus-5", ""): Usage(input_tokens=1),
    }
    found = {(row.day, row.model): row.text() for row in compare(ours, export_of(theirs))}
    assert found == {
        ("2026-11-20", "claude-opus-5"): "only in the ledger: input +1",
        ("2026-11-21", "claude-haiku-4-5"): "same",
        ("2026-11-21", "claude-sonnet-4-6"): "output +1, cache_read -300",
        ("2026-11-22", "claude-opus-5"): "only in the export: input -1",
    }
    sums = {row.model: row.text() for row in totals(compare(ours, export_of(theirs)))}
    assert sums["claude-opus-5"] == "same"
