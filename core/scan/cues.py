"""Words that show how soon a task's answer is needed, and what its work is, in four languages.

The words are in cues.toml: English, German, Spanish and French. A text in another language has none
of them: it is judged by its rhythm and tokens.
"""

import re
import tomllib
from enum import StrEnum
from importlib.resources import files
from itertools import chain

from msgspec import Struct


class Cue(StrEnum):
    """What a word shows; the value is how it is said to a person."""

    #: How soon.
    BOUND = "its text asks for the answer at once"
    WAITING = "a user or a process waits for the answer"
    LIVE = "people speak, act or play, and need the answer while they do"
    HEALTH = "a health check must answer in seconds; a batch may take 24 hours"
    EVENT = "it reacts to events as they arrive"
    FRESH = "it needs data of the moment at which it is delivered"
    MAY_WAIT = "its text says that the result may wait"
    READ_LATER = "its result is read later"
    #: What kind of work.
    WORK = "it classifies, summarizes, evaluates or writes"
    TOOLS = "it acts through tools"
    LOOP = "it goes on until something is reached"
    CHAIN = "each of its steps needs the result of the one before"


class Found(Struct, frozen=True):
    """A cue in a text, and the words that matched."""

    cue: Cue
    words: str


_PATTERNS = {
    Cue[name]: re.compile(rf"(?<!\w)(?:{'|'.join(chain(*languages.values()))})(?!\w)")
    for name, languages in tomllib.loads(
        files("core.scan").joinpath("cues.toml").read_text("utf-8")
    ).items()
}
# Up to here before a word in the same sentence, a negation applies to it.
_REACH = 40
_NEGATION = re.compile(
    r"\b(?:no|not|never|no ?body|nothing|none|without|isn't|doesn't|don't|aren't|rather than"
    r"|instead of|nor|neither|kein\w*|nicht|nie(?:mals)?|niemand|ohne|sin|nadie|nunca|ni|pas"
    r"|aucun\w*|personne|jamais|sans)\b(?:(?! but | and |,)[^.!?;:\n])*$"
)
_COMMON = {
    "en": "the and of to in is for that with are from this each it on as by an be or your if any"
    " them they into before after at not which when have will then than who what there their one",
    "de": "der die das und ist nicht mit für von auf den dem ein eine zu im werden jede alle wird"
    " sie es dass wie nach vor bei aus oder zum zur sich nur noch einen einer aber wenn kein",
    "es": "el la los las de que y en un una para con por del se es al cada más todos"
    " su sus lo como antes después hasta entre esta este sin sobre cuando pero",
    "fr": "le la les des et est dans un une pour avec sur du que au par chaque en ne pas"
    " ce cette qui il elle ou avant après aux plus leur ses sans quand mais",
}
_COMMON_WORDS = {language: set(words.split()) for language, words in _COMMON.items()}
_WORDS = re.compile(r"[^\W\d_]+")
_LETTERS = 120
_KNOWN_SHARE = 0.08
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")
# A sentence that speaks to whoever judges the task is no evidence of what the task does.
_TO_THE_SCANNER = re.compile(
    r"\b(?:scanners?|titan[- ]console|migration (?:tool|assistant)s?"
    r"|(?:classifier|auditor|analy[sz]er)s?(?=[:,])"
    r"|you are (?:scanning|auditing|surveying))\b.{0,120}"
    r"\b(?:must|should|mark|treat|report|classify|consider|list|score|rate|count|say|put|verdict"
    r"|tier|batch\w*|move|ignore|skip|trust)\b"
    r"|\b(?:tools?|agents?|assistants?|models?|bots?|readers?|anyone|whoever)(?: that| who| is)?"
    r" (?:read|scan|audit|survey|review|pars|index|process)\w* (?:this|these)\b"
    r"|\b(?:ignore|disregard|forget) (?:all |any |every |your |the )*"
    r"(?:previous|prior|above|earlier|other) (?:instructions?|rules?|prompts?|guidelines?)"
    r"|\b(?:mark|classify|treat|report|list|score|rate|flag|label|consider)"
    r" (?:it|this|the)(?: scheduled)?(?: task| job| skill)? (?:as|in|with|to) (?:a |the |an )*"
    r"(?:\w+ )?(?:urgent|batch\w*|mov\w+|tier|real-time|safe|never|must|candidate|priority)\b"
    r"|\b(?:tier|verdict|batchable) ?[:=] ?\w+|\bsystem override\b",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text."""
    return _SENTENCE_END.split(text)


def without_instructions(text: str) -> tuple[str, list[str]]:
    """The text without sentences that address the scanner, and those sentences."""
    kept, dropped = list[str](), list[str]()
    for sentence in sentences(text):
        (dropped if _TO_THE_SCANNER.search(sentence) else kept).append(sentence)
    return "\n".join(kept), dropped


def cues_in(text: str) -> list[Found]:
    """Each cue that a text has, with its first words.

    A negated word counts as the opposite where it speaks of time, and otherwise not at all.

    >>> [found.cue.name for found in cues_in("Not urgent. Summarize the tickets.")]
    ['MAY_WAIT', 'WORK']
    """
    plain = text.lower().replace("\u2019", "'").replace("_", "-")
    found = dict[Cue, str]()
    for cue, pattern in _PATTERNS.items():
        for match in pattern.finditer(plain):
            before = plain[max(0, match.start() - _REACH) : match.start()]
            if cue not in (Cue.WORK, Cue.READ_LATER, Cue.MAY_WAIT) and _NEGATION.search(before):
                if cue in (Cue.BOUND, Cue.WAITING):
                    found.setdefault(Cue.MAY_WAIT, f"not {match[0]}")
                continue
            found.setdefault(cue, match[0])
            break
        if cue == Cue.MAY_WAIT:
            plain = pattern.sub(lambda one: " " * len(one[0]), plain)
    return [Found(cue, " ".join(words.split())) for cue, words in found.items()]


def language_of(text: str) -> str | None:
    """The language of a text by its most common words, None for any other; short ones have none.

    >>> language_of("Fasse die Tickets der Woche zusammen und schreibe einen Bericht für das Team.")
    'de'
    """
    words = [word.lower() for word in _WORDS.findall(text)]
    if sum(map(len, words)) < _LETTERS:
        return ""
    shares = {
        language: sum(word in common for word in words) / len(words)
        for language, common in _COMMON_WORDS.items()
    }
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= _KNOWN_SHARE else None
