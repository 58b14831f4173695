"""titan-weekly-benchmark: the same questions for three models, scored.

Before, one call after another at full price:

    for model, text in questions(texts):
        answer = client.messages.create(model=model, max_tokens=32, messages=prompt(text))
        right[model] += answer.content[0].text.strip() == text.name

After, as one batch at half price:

    python titan_weekly_benchmark.py [--input FOLDER]     # submits and exits
    python titan_weekly_benchmark.py --collect            # prints the results
"""

import sys
from collections import Counter

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "titan-weekly-benchmark"
TAG = f"{JOB}-{TODAY}"
MODELS = ("claude-haiku-5-5", "claude-sonnet-4-6", "claude-opus-5")
QUESTION = "Which Python module has this docstring? Answer with its name only."


def questions(given_texts: list[Text]) -> list[tuple[str, Text]]:
    """Every model with every text. The correct answer is the name of the text."""
    return [(model, text) for model in MODELS for text in given_texts]


def submit(given_texts: list[Text]) -> str:
    """Submit all pairs in one batch; each request names its model."""
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "model": model,
            "max_tokens": 32,
            "messages": [{"role": "user", "content": f"{QUESTION}\n\n{text.body}"}],
        }
        for number, (model, text) in enumerate(questions(given_texts), 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect(given_texts: list[Text]) -> None:
    """Print the correct answers of each model; results are in input order."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    right = Counter[str]()
    for (model, text), result in zip(questions(given_texts), results, strict=True):
        right[model] += (result["text"] or "").strip() == text.name
    for model in MODELS:
        print(f"{model}: {right[model]} of {len(given_texts)} right")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect(texts(given.input, 8))
    else:
        print(submit(texts(given.input, 8)))
