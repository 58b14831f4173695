import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_console.text import links
from titan_console.text.links import ByName, Destination, Quit, Tab, ToBatch, ToRequest, ToScreen

TABS = tuple(
    Tab(str(n), word.lower(), word)
    for n, word in enumerate(
        ("Batches", "Requests", "Errors", "Savings", "KPIs", "Jobs", "Events", "Doctor"), 1
    )
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("b", ToScreen("batches")),
        (":req", ToScreen("requests")),
        ("err", ToScreen("errors")),
        (" sav ", ToScreen("savings")),
        ("KPI", ToScreen("kpis")),
        ("job", ToScreen("jobs")),
        ("eve", ToScreen("events")),
        ("Audit", ToScreen("events")),
        ("titan://audit", ToScreen("events")),
        ("doc", ToScreen("doctor")),
        (":q", Quit()),
        ("tb_k3x9", ByName("tb_k3x9")),
        ("titan://errors", ToScreen("errors")),
        ("TITAN://batch/tb_1", ToBatch("tb_1")),
        ("titan://request/a%2Fb/c%20d", ToRequest("a/b", "c d")),
        ("titan://request/a", None),
        ("titan://nowhere", None),
        ("titan://batch/", None),
        ("titan://", None),
        (":", None),
        ("", None),
    ],
)
def test_a_word_a_name_or_a_link_leads_where_it_says(
    text: str, destination: Destination | None
) -> None:
    assert links.parse(text, TABS) == destination


@given(NAMES, NAMES)
def test_a_link_to_a_request_leads_back_to_it(tag: str, custom_id: str) -> None:
    link = links.to_request(tag, custom_id)
    assert link.isascii()
    assert links.parse(link, TABS) == ToRequest(tag, custom_id)


@given(st.text())
def test_any_text_can_be_the_name(text: str) -> None:
    links.parse(text, TABS)
    links.parse(f"titan://{text}", TABS)
