"""The vocabulary of filters: what may be asked of the rows of a list."""

from enum import StrEnum

from msgspec import Struct


class Field(StrEnum):
    """What a term is about, by the word that people write."""

    STATE = "state"
    WORKFLOW = "wf"
    ERROR = "err"
    MODEL = "model"
    TAG = "tag"
    BATCH = "batch"
    ID = "id"
    TEXT = "text"
    AGE = "age"
    COST = "cost"
    TRIES = "tries"
    KIND = "kind"
    WHO = "who"


class Relation(StrEnum):
    """How an amount is compared."""

    OVER = ">"
    AT_LEAST = ">="
    UNDER = "<"
    AT_MOST = "<="
    EQUAL = "="


class Words(Struct, frozen=True):
    """The field contains one of these, in any case of letters; of a state, it is one of these."""

    field: Field
    values: tuple[str, ...]
    is_not: bool = False


class Bound(Struct, frozen=True):
    """The field compares so with an amount: seconds, nano-dollars or a count."""

    field: Field
    relation: Relation
    amount: int
    is_not: bool = False


Term = Words | Bound
