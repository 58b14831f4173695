"""Decides what can move to batches: latency tolerance, tokens and effort of a task. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum, StrEnum

from msgspec import Struct
from msgspec.structs import replace

from core.config.job import Latency
from core.config.never_batch import NeverBatchList
from core.scan import cues
from core.scan.cues import Cue, Found
from core.scan.rhythm import times_in
from core.scan.task import Rhythm, Runner, Source, Task

_NAME, _DESCRIPTION, _TEXT = 1.0, 1.0, 0.6
# A prompt that says who waits means it; its other words may speak of a detail.
_TEXT_OF = {Cue.WAITING: 0.9, Cue.LIVE: 0.9}
# Of a long prompt the beginning says what the task is.
_TEXT_CHARS = 6_000
# How much a cue counts: for an answer that is needed soon, and for one that may wait.
_SOON: Mapping[Cue, float] = {
    Cue.BOUND: 4,
    Cue.WAITING: 4,
    Cue.LIVE: 4,
    Cue.HEALTH: 3,
    Cue.EVENT: 2.5,
    Cue.FRESH: 2,
}
_LATER: Mapping[Cue, float] = {Cue.MAY_WAIT: 4, Cue.READ_LATER: 2, Cue.WORK: 0.5}
_FURTHER = 0.5
_MINUTES_H, _HOURS_H, _DAY_H, _WEEK_H = 0.75, 4.0, 20.0, 6 * 24.0
_ON_DEMAND = 2.0
# Two hours before its deadline a request runs synchronously.
_SOON_MINUTES, _DAY_MINUTES = 150, 1440
_CLEAR = 1.0
# Tokens of a month below which a job is not worth its change.
FEW_TOKENS = 50_000
_STEPS = 5
# Words for an answer that may wait, but not for ever.
_BY_MORNING = re.compile(
    r"soft|night|nacht|noche|nuit|morning|tomorrow|next|within|by |until|before"
)
_STEP_CHARS = 160
# A line with one of them is no request of a batch.
_NO_STEP = {Cue.TOOLS, Cue.LOOP, Cue.CHAIN, Cue.WAITING, Cue.LIVE}


class Verdict(StrEnum):
    """What is to become of a task."""

    MOVE = "move"
    STAY = "stay"
    #: It uses batches already.
    MOVED = "moved"


class Effort(StrEnum):
    """How much of a task changes."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Tier(IntEnum):
    """The order of the move."""

    #: Its result may wait, and its tokens are known.
    FIRST = 1
    #: Its rhythm leaves the time, and its tokens are known.
    NEXT = 2
    #: Measure it first: its tokens are unknown or few.
    LATER = 3


class Score(Struct, frozen=True, kw_only=True):
    """The verdict on one task. `reason` is for a person; `is_sure` is False for a close call.

    `soon` and `later` are the evidence for an answer that is needed soon, and for one that may
    wait; `words` are the task's own that count most. `steps` are lines of its text that can run
    as requests of a batch. `addressed` are sentences that address the scanner, which do not count.
    """

    verdict: Verdict
    reason: str
    words: str = ""
    tier: Tier | None = None
    latency: Latency | None = None
    effort: Effort | None = None
    soon: float = 0.0
    later: float = 0.0
    is_sure: bool = True
    language: str | None = ""
    steps: tuple[str, ...] = ()
    addressed: tuple[str, ...] = ()


class _Evidence(Struct, frozen=True, kw_only=True):
    """Weights by reason, each with the words it is based on."""

    soon: dict[str, tuple[float, str]]
    later: dict[str, tuple[float, str]]
    kinds: frozenset[Cue]
    # Whether nothing asks for haste but that it runs often.
    is_only_frequent: bool

    def total(self, side: str) -> float:
        """The evidence for one side: further reasons for haste count half, others add up."""
        weights = sorted((weight for weight, _ in getattr(self, side).values()), reverse=True)
        if side == "soon":
            return sum(weights[:1]) + _FURTHER * sum(weights[1:])
        return sum(weights)


def score(task: Task, never: NeverBatchList, tokens_a_month: int | None) -> Score:
    """The verdict on a task; `tokens_a_month` as measured or stated, None where unknown."""
    if listed := never.reason_for([task.name]):
        return Score(verdict=Verdict.STAY, reason=listed[1], words=listed[0])
    if task.runner == Runner.BATCH:
        return Score(verdict=Verdict.MOVED, reason="it sends batches already")
    text, addressed = cues.without_instructions(task.text[:_TEXT_CHARS])
    description, more = cues.without_instructions(task.description[:_TEXT_CHARS])
    found = (
        (_NAME, cues.cues_in(task.name.replace("-", " "))),
        (_NAME, cues.cues_in(task.name)),
        (_DESCRIPTION, cues.cues_in(description)),
        (_TEXT, cues.cues_in(text)),
    )
    evidence = _evidence(task, found)
    language = cues.language_of(f"{description}\n{text}")
    known = Score(
        verdict=Verdict.STAY,
        reason="",
        soon=round(evidence.total("soon"), 2),
        later=round(evidence.total("later"), 2),
        language=language,
        addressed=(*more, *addressed),
    )
    return _decided(task, known, evidence, text, tokens_a_month)


def _decided(
    task: Task, known: Score, evidence: _Evidence, text: str, tokens_a_month: int | None
) -> Score:
    if task.runner == Runner.NO_MODEL and not task.is_unread:
        return replace(known, reason="nothing in it calls a model")
    if task.runner == Runner.NO_MODEL and Cue.WORK not in evidence.kinds:
        reason = "its script was not found, and nothing says that it calls a model"
        return replace(known, reason=reason, is_sure=False)
    if known.soon >= known.later and evidence.soon and not _waits_despite_rhythm(evidence):
        reason, (_, words) = max(evidence.soon.items(), key=lambda one: one[1][0])
        is_sure = known.soon - known.later >= _CLEAR
        return replace(known, reason=reason, words=words, is_sure=is_sure)
    steps = tuple(_steps(text)) if task.runner == Runner.AGENT else ()
    if task.runner == Runner.AGENT and Cue.CHAIN in evidence.kinds and not steps:
        return replace(known, reason=f"{Cue.CHAIN}")
    if _is_only_tools(task, evidence):
        return replace(known, reason=f"{Cue.LOOP if Cue.LOOP in evidence.kinds else Cue.TOOLS}")
    reason, (_, words) = max(
        evidence.later.items(),
        key=lambda one: one[1][0],
        default=("nothing in it is urgent", (0, "")),
    )
    has_words = known.language is not None
    return replace(
        known,
        verdict=Verdict.MOVE,
        reason=reason,
        words=words,
        tier=_tier(evidence, tokens_a_month),
        latency=_latency(task, evidence),
        effort=_effort(task, evidence),
        is_sure=known.later - known.soon >= _CLEAR and has_words and not task.is_unread,
        steps=steps,
    )


def _evidence(task: Task, found: Iterable[tuple[float, Sequence[Found]]]) -> _Evidence:
    soon, later, kinds = dict[str, tuple[float, str]](), dict[str, tuple[float, str]](), set[Cue]()
    for factor, cues_found in found:
        for one in cues_found:
            kinds.add(one.cue)
            for weights, side in ((_SOON, soon), (_LATER, later)):
                counts = _TEXT_OF.get(one.cue, factor) if factor == _TEXT else factor
                weight = weights.get(one.cue, 0) * counts
                if weight > side.get(one.cue, (0, ""))[0]:
                    side[one.cue] = weight, one.words
    for reason, weight, side in (*_of_rhythm(task), *_of_time(task)):
        words = task.rhythm.text if task.rhythm else ""
        (soon if side == "soon" else later)[reason] = weight, words
    gap = task.rhythm.gap_h if task.rhythm else None
    return _Evidence(
        soon=soon,
        later=later,
        kinds=frozenset(kinds),
        is_only_frequent=gap is not None and gap < _HOURS_H and len(soon) == 1,
    )


def _of_rhythm(task: Task) -> Iterable[tuple[str, float, str]]:
    rhythm = task.rhythm
    if rhythm is None:
        if task.source == Source.SKILL:
            yield "a person calls it and waits", _ON_DEMAND, "soon"
        return
    gap = rhythm.gap_h
    if gap is None:
        yield "it runs at events", _SOON[Cue.EVENT], "soon"
    elif gap <= _MINUTES_H:
        yield "it runs every few minutes, but a batch may take 24 hours", 4.5, "soon"
    elif gap < _HOURS_H:
        yield f"it runs {_every(rhythm)}, but a batch may take 24 hours", 3.5, "soon"
    elif gap >= _WEEK_H:
        yield f"it runs {_every(rhythm)}", 2.5, "later"
    elif gap >= _DAY_H:
        yield f"it runs {_every(rhythm)}", 1.5, "later"
    else:
        yield f"it runs {_every(rhythm)}; most batches end within an hour", 0.5, "later"


def _of_time(task: Task) -> Iterable[tuple[str, float, str]]:
    """A time of day that follows soon after the start is when the result is needed."""
    start = task.rhythm.minute if task.rhythm else None
    if start is None:
        return
    text = f"{task.description}\n{task.text[:_TEXT_CHARS]}"
    after = sorted((at - start) % _DAY_MINUTES for at in times_in(text))
    if soon := [minutes for minutes in after if 0 < minutes <= _SOON_MINUTES]:
        yield f"it starts {soon[0]} minutes before a time that its text names", 4.5, "soon"


def _waits_despite_rhythm(evidence: _Evidence) -> bool:
    """Whether it only runs often, and the text says that the result may wait."""
    return Cue.MAY_WAIT in evidence.kinds and evidence.is_only_frequent


def _every(rhythm: Rhythm) -> str:
    hours = rhythm.gap_h or 0
    if hours < _DAY_H:
        return "every hour" if round(hours, 1) == 1 else f"every {hours:g} hours"
    return "every day" if round(hours) == _DAY_H + 4 else f"every {hours / 24:.0f} days"


def _is_only_tools(task: Task, evidence: _Evidence) -> bool:
    """Whether an agent only acts, and no step of it reads or writes texts."""
    has_texts = evidence.kinds & {Cue.WORK, Cue.READ_LATER}
    return (
        task.runner == Runner.AGENT
        and not has_texts
        and bool(evidence.kinds & {Cue.TOOLS, Cue.LOOP})
    )


def _tier(evidence: _Evidence, tokens_a_month: int | None) -> Tier:
    if tokens_a_month is None or tokens_a_month < FEW_TOKENS:
        return Tier.LATER
    return Tier.FIRST if Cue.MAY_WAIT in evidence.kinds else Tier.NEXT


def _latency(task: Task, evidence: _Evidence) -> Latency:
    if task.rhythm and task.rhythm.gap_h and task.rhythm.gap_h < _DAY_H:
        return Latency.CADENCE
    _, words = evidence.later.get(Cue.MAY_WAIT, (0, ""))
    return Latency.HARD_BATCH if words and not _BY_MORNING.search(words) else Latency.SOFT


def _effort(task: Task, evidence: _Evidence) -> Effort:
    if task.runner == Runner.PYTHON:
        return Effort.LOW
    return Effort.HIGH if Cue.LOOP in evidence.kinds else Effort.MEDIUM


def _steps(text: str) -> Iterable[str]:
    """Lines of a prompt that read or write texts, and use no tool."""
    number = 0
    for line in cues.sentences(text):
        plain = line.strip(" \t\n-*#>0123456789.)")
        if not plain:
            continue
        kinds = {found.cue for found in cues.cues_in(plain)}
        if Cue.WORK in kinds and not kinds & _NO_STEP:
            yield plain[:_STEP_CHARS]
            number += 1
        if number == _STEPS:
            return
