"""Lists of ids as one text."""

from state.queries import filter_sql


def test_many_ids_come_whole() -> None:
    text = f"[{','.join(map(str, range(1, 300_000)))}]"
    assert list(filter_sql.parse_ids(text)) == list(range(1, 300_000))
    assert list(filter_sql.parse_ids("[]")) == []
