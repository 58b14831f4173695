"""The three jobs of the demo: their requests for one day, built from texts."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from titan_console.demo.texts import Text

_LABELS = "data, text, network, files, time, maths, concurrency, language, testing, other"
_TIERS = ("claude-haiku-5-5", "claude-sonnet-4-6", "claude-opus-5")
_BENCHMARK_TEXTS = 12
# Length of the history that the console opens on.
DAYS = 30

Request = dict[str, Any]


class Job(Struct, frozen=True):
    """A scheduled job: its name, default model, and requests for a day."""

    name: str
    what: str
    model: str
    requests: Callable[[list[Text], str], list[Request]]


def _feed(texts: list[Text], date: str) -> list[Request]:
    return [
        _request(
            f"titan-daily-feed-{date}-{number:03d}",
            f"Classify this article. Answer with one of: {_LABELS}.\n\n{text.body}",
            max_tokens=64,
        )
        for number, text in enumerate(texts, 1)
    ]


def _monologue(texts: list[Text], date: str) -> list[Request]:
    digest = "\n\n".join(f"## {text.name}\n{text.body[:300]}" for text in texts[:60])
    return [
        _request(
            f"titan-daily-monologue-{date}-001",
            f"Write today's monologue about what was read.\n\n{digest}",
            max_tokens=2000,
        )
    ]


def _benchmark(texts: list[Text], date: str) -> list[Request]:
    pairs = [(model, text) for model in _TIERS for text in texts[:_BENCHMARK_TEXTS]]
    return [
        _request(
            f"titan-weekly-benchmark-{date}-{number:03d}",
            f"Summarize the following in two sentences.\n\n{text.body}",
            max_tokens=300,
            model=model,
        )
        for number, (model, text) in enumerate(pairs, 1)
    ]


def _request(custom_id: str, prompt: str, **params: object) -> Request:
    return {
        "custom_id": custom_id,
        "messages": [{"role": "user", "content": prompt}],
        **params,
    }


JOBS = (
    Job("titan-daily-feed", "articles to classify", "claude-haiku-5-5", _feed),
    Job("titan-daily-monologue", "one long text to write", "claude-sonnet-4-6", _monologue),
    Job("titan-weekly-benchmark", "the same texts for three models", _TIERS[1], _benchmark),
)
