"""The text format of Prometheus, version 0.0.4. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

_NANO_DIGITS = 9
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL = _IN_HELP | str.maketrans({'"': r"\""})


class MetricType(StrEnum):
    """A counter never goes down; its name ends in `_total`."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Metric(Struct, frozen=True, kw_only=True):
    """One metric with its values by the values of its labels, in the order of `labels`."""

    name: str
    help: str
    type: MetricType = MetricType.GAUGE
    labels: tuple[str, ...] = ()
    values: Mapping[tuple[str, ...], int | float | Decimal]


def one(name: str, text: str, value: float, *, is_counter: bool = False) -> Metric:
    """A metric without labels."""
    kind = MetricType.COUNTER if is_counter else MetricType.GAUGE
    return Metric(name=name, help=text, type=kind, values={(): value})


def dollars(nano: int) -> Decimal:
    """Nano-dollars as dollars, exactly."""
    return Decimal(nano).scaleb(-_NANO_DIGITS)


def summed(values: Iterable[tuple[tuple[str, ...], int]]) -> dict[tuple[str, ...], int]:
    """The sum by label values."""
    found: defaultdict[tuple[str, ...], int] = defaultdict(int)
    for labels, value in values:
        found[labels] += value
    return dict(found)


def earliest(values: Iterable[tuple[tuple[str, ...], float]]) -> dict[tuple[str, ...], float]:
    """The least value by label values."""
    found: dict[tuple[str, ...], float] = {}
    for labels, value in values:
        found[labels] = min(value, found.get(labels, value))
    return found


def first(names: Iterable[str], most: int, *, other: str) -> Callable[[str], str]:
    """A function that keeps the first `most` different names and replaces the rest by `other`."""
    kept = set(list(dict.fromkeys(names))[:most])
    return lambda name: name if name in kept else other


def text(metrics: Iterable[Metric]) -> str:
    """The metrics as text, each with its HELP and TYPE, even where it has no values."""
    return "".join(f"{line}\n" for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help.translate(_IN_HELP)}"
    yield f"# TYPE {metric.name} {metric.type.value}"
    for values, value in metric.values.items():
        pairs = ",".join(
            f'{name}="{label.translate(_IN_LABEL)}"'
            for name, label in zip(metric.labels, values, strict=True)
        )
        yield f"{metric.name}{f'{{{pairs}}}' if pairs else ''} {_number(value)}"


def _number(value: float | Decimal) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)
