"""titan-daily-feed: classifies fetched articles. Fetching stays synchronous.

Before, one call after another at full price:

    for article in articles:
        answer = client.messages.create(model=MODEL, max_tokens=16, messages=prompt(article))
        print(article.name, answer.content[0].text)

After, as one batch at half price:

    python titan_daily_feed.py [--input FOLDER]     # submits and exits
    python titan_daily_feed.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "titan-daily-feed"
TAG = f"{JOB}-{TODAY}"
MODEL = "claude-haiku-5-5"
LABELS = "data, text, network, files, time, maths, concurrency, language, testing, other"


def prompt(article: Text) -> list[dict[str, str]]:
    """The prompt for one article."""
    question = f"Classify this article. Answer with one of: {LABELS}.\n\n{article.body}"
    return [{"role": "user", "content": question}]


def submit(articles: list[Text]) -> str:
    """Submit today's articles; if the API does not accept the batch, they run synchronously."""
    requests = [
        {"custom_id": f"{TAG}-{number:03d}", "max_tokens": 16, "messages": prompt(article)}
        for number, article in enumerate(articles, 1)
    ]
    return titan_batch.submit(requests, tag=TAG, model=MODEL, on_failure="sync")


def collect() -> None:
    """Print the label of each article."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    for result in results:
        print(result["custom_id"], result["text"] or result["outcome"])


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(texts(given.input, 40)))
