"""titan-daily-newsletter: writes the newsletter; delivery is unchanged.

Before, one call after another at full price:

    answer = client.messages.create(model=MODEL, max_tokens=8192, messages=prompt(articles))
    deliver(answer.content[0].text)

After, at half the price:

    python titan_daily_newsletter.py [--input FOLDER]     # submits and exits
    python titan_daily_newsletter.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "titan-daily-newsletter"
TAG = f"{JOB}-{TODAY}"
FEED = f"titan-daily-feed-{TODAY}"


def classified() -> str:
    """The results of the feed job today; empty if it has not ended yet."""
    try:
        results = titan_batch.poll_and_collect(FEED) or []
    except titan_batch.UnknownId:
        return ""
    return "\n".join(f"{r['custom_id']}: {r['text']}" for r in results if r["text"])


def submit(articles: list[Text]) -> str:
    """Submit the request; if the API does not accept the batch, it runs synchronously."""
    body = "\n\n".join(f"# {article.name}\n{article.body[:600]}" for article in articles)
    question = f"Write today's newsletter in Markdown.\n\n{body}\n\nTheir kinds:\n{classified()}"
    request = {
        "custom_id": f"{TAG}-001",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": question}],
    }
    return titan_batch.submit([request], tag=TAG, on_failure="sync")


def collect() -> None:
    """Print the newsletter for the delivery script."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    for result in results:
        print(result["text"] or result["outcome"])


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(texts(given.input, 20)))
