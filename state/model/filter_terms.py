"""Terms of filters on the rows of a list."""

from enum import StrEnum

from msgspec import Struct


class Field(StrEnum):
    """The field that a term is about, by its name in a filter."""

    STATUS = "status"
    WORKFLOW = "wf"
    ERROR = "err"
    MODEL = "model"
    TAG = "tag"
    BATCH = "batch"
    ID = "id"
    TEXT = "text"
    AGE = "age"
    COST = "cost"
    ATTEMPTS = "attempts"
    KIND = "kind"
    WHO = "who"


class Relation(StrEnum):
    """How an amount is compared."""

    OVER = ">"
    AT_LEAST = ">="
    UNDER = "<"
    AT_MOST = "<="
    EQUAL = "="


class ValuesTerm(Struct, frozen=True):
    """The field contains one of these, ignoring case; a state equals one of these."""

    field: Field
    values: tuple[str, ...]
    is_not: bool = False


class BoundTerm(Struct, frozen=True):
    """A comparison of the field with an amount: seconds, nano-dollars or a count."""

    field: Field
    relation: Relation
    amount: int
    is_not: bool = False


Term = ValuesTerm | BoundTerm
