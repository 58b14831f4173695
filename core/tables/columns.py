"""The columns that the answers add to a table."""

from collections.abc import Sequence

from msgspec import Struct

from core.tables.answers import Answer

_Cells = tuple[object, ...]


class AnswerColumns(Struct, frozen=True, kw_only=True):
    """`answer` with the text, then `error`, null where there is an answer."""

    prefix: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return (f"{self.prefix}answer", f"{self.prefix}error")

    def cells(self, answer: Answer) -> _Cells:
        """Their values."""
        return (answer.text, answer.error)

    def as_dict(self, answer: Answer) -> dict[str, object]:
        """Their values by name."""
        return dict(zip(self.names, self.cells(answer), strict=True))

    def arrow_types(self, arrow: object) -> Sequence[object]:
        """Their types in Parquet."""
        return [arrow.string()] * 2  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
