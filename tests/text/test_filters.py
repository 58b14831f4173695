import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.model.filter_terms import BoundTerm, Field, Relation, Term, ValuesTerm
from titan_console.text.filters import Vocabulary, complete, parse, write

STATES = ("queued", "in_flight", "succeeded", "errored", "expired", "failed")
ALL = Vocabulary(tuple(Field), STATES)
KNOWN = {Field.WORKFLOW: ("feed-classify", "night feed"), Field.MODEL: ("claude-haiku-4-5",)}


@pytest.mark.parametrize(
    ("line", "terms"),
    [
        ("", ()),
        ("status:errored", (ValuesTerm(Field.STATUS, ("errored",)),)),
        ("state:errored", (ValuesTerm(Field.STATUS, ("errored",)),)),
        ("status:E", (ValuesTerm(Field.STATUS, ("errored", "expired")),)),
        ("status:in_progress", (ValuesTerm(Field.STATUS, ("in_flight",)),)),
        ('status:"in progress"', (ValuesTerm(Field.STATUS, ("in_flight",)),)),
        ("status:in_p", (ValuesTerm(Field.STATUS, ("in_flight",)),)),
        ("status:in_flight,queued", (ValuesTerm(Field.STATUS, ("in_flight", "queued")),)),
        (
            "wf:feed err:overloaded",
            (ValuesTerm(Field.WORKFLOW, ("feed",)), ValuesTerm(Field.ERROR, ("overloaded",))),
        ),
        (
            '"two words" one',
            (ValuesTerm(Field.TEXT, ("two words",)), ValuesTerm(Field.TEXT, ("one",))),
        ),
        ("!neg", (ValuesTerm(Field.TEXT, ("neg",), is_not=True),)),
        ('!tag:"a, b",c', (ValuesTerm(Field.TAG, ("a, b", "c"), is_not=True),)),
        ("age>2h", (BoundTerm(Field.AGE, Relation.OVER, 7200),)),
        ("age<=1.5d", (BoundTerm(Field.AGE, Relation.AT_MOST, 129_600),)),
        ("cost>0.1", (BoundTerm(Field.COST, Relation.OVER, 100_000_000),)),
        ("cost<$2", (BoundTerm(Field.COST, Relation.UNDER, 2_000_000_000),)),
        ("!attempts>=2", (BoundTerm(Field.ATTEMPTS, Relation.AT_LEAST, 2, is_not=True),)),
        ('"12:30 o\'clock"', (ValuesTerm(Field.TEXT, ("12:30 o'clock",)),)),
    ],
)
def test_a_line_is_read_as_its_terms(line: str, terms: tuple[Term, ...]) -> None:
    found = parse(line, ALL)
    assert not found.mistakes
    assert found.terms == terms


@pytest.mark.parametrize(
    ("line", "begin", "end", "reason"),
    [
        ("wf:feed status:lost", 8, 19, "unknown status lost; use queued, in_progress"),
        ("colour:red", 0, 10, "unknown field colour; use status, wf"),
        ("age>2", 0, 5, "age must be a number with s, m, h, d or w"),
        ("age:2h", 0, 6, "age needs a comparison: age>2h"),
        ("cost>much", 0, 9, "cost must be a number of dollars"),
        ("attempts>1.5", 0, 12, "attempts must be an integer"),
        ("tag>3", 0, 5, "tag takes a colon"),
        ("a status:", 2, 9, "missing value"),
        ("!", 0, 1, "! needs a term"),
        ('one "two', 4, 8, "unclosed quote"),
    ],
)
def test_invalid_input_is_underlined_and_reported(
    line: str, begin: int, end: int, reason: str
) -> None:
    (mistake,) = parse(line, ALL).mistakes
    assert (mistake.begin, mistake.end) == (begin, end)
    assert reason in mistake.reason


def test_a_status_is_written_and_completed_as_the_screens_name_it() -> None:
    assert (
        write((ValuesTerm(Field.STATUS, ("in_flight", "queued")),)) == "status:in_progress,queued"
    )
    assert complete("status:in", ALL, {}) == ("status:in_progress",)


def test_a_list_says_what_it_cannot_be_asked() -> None:
    (mistake,) = parse("tries>1", Vocabulary((Field.TAG, Field.TEXT), ())).mistakes
    assert "unknown field tries; use tag" in mistake.reason


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
TERMS = (
    st.builds(
        ValuesTerm,
        st.sampled_from([Field.WORKFLOW, Field.ERROR, Field.MODEL, Field.TAG, Field.ID]),
        st.lists(WORDS, min_size=1, max_size=3).map(tuple),
        st.booleans(),
    )
    | st.builds(ValuesTerm, st.just(Field.TEXT), st.tuples(WORDS), st.booleans())
    | st.builds(
        ValuesTerm,
        st.just(Field.STATUS),
        st.lists(st.sampled_from(STATES), min_size=1, unique=True).map(tuple),
        st.booleans(),
    )
    | st.builds(
        BoundTerm,
        st.sampled_from([Field.COST, Field.ATTEMPTS, Field.AGE]),
        st.sampled_from(Relation),
        st.integers(0, 999_999_999),
        st.booleans(),
    )
)


@given(st.lists(TERMS, max_size=5).map(tuple))
def test_what_is_written_is_read_the_same(terms: tuple[Term, ...]) -> None:
    found = parse(write(terms), ALL)
    assert not found.mistakes
    assert found.terms == terms


@given(
    st.text()
    | st.text(st.sampled_from('status:wf>=<!" ,\\09.hdcostag$'))
    | st.lists(st.sampled_from(["state:", "wf:", "age>", "cost=", '"', "!", "x", " "])).map("".join)
)
def test_no_line_breaks_the_reader(line: str) -> None:
    found = parse(line, ALL)
    for mistake in found.mistakes:
        assert 0 <= mistake.begin < mistake.end <= len(line)
        assert mistake.reason
    assert parse(write(found.terms), ALL).terms == found.terms
    for longer in complete(line, ALL, KNOWN):
        assert len(parse(longer, ALL).mistakes) <= len(found.mistakes) + 1


@pytest.mark.parametrize(
    ("line", "longer"),
    [
        ("st", ("status:",)),
        ("x !wf:feed", ("x !wf:feed-classify", 'x !wf:"night feed"')),
        ("wf:nig", ('wf:"night feed"',)),
        ('wf:"night f', ('wf:"night feed"',)),
        ("status:in_progress,exp", ("status:in_progress,expired",)),
        ("status:f", ("status:failed",)),
        ("age>", ()),
        ("nothing-like-it", ()),
    ],
)
def test_a_line_is_completed_by_what_is_known(line: str, longer: tuple[str, ...]) -> None:
    assert complete(line, ALL, KNOWN) == longer


def test_an_empty_line_offers_every_qualifier() -> None:
    offered = complete("wf:feed ", ALL, KNOWN)
    assert "wf:feed status:" in offered
    assert "wf:feed age>" in offered
