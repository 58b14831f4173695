"""titan-daily-improve: one improvement for each source file.

Before, one call after another at full price:

    for source in sources:
        answer = client.messages.create(model=MODEL, max_tokens=2048, messages=prompt(source))
        print(source.name, answer.content[0].text)

After, as one batch at half price:

    python titan_daily_improve.py [--input FOLDER]     # submits and exits
    python titan_daily_improve.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, sources

import titan_batch

JOB = "titan-daily-improve"
TAG = f"{JOB}-{TODAY}"


def submit(files: list[Text]) -> str:
    """Submit one request per file."""
    question = "Name the one improvement to this file that is worth the most, as a short diff."
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "max_tokens": 2048,
            "messages": [{"role": "user", "content": f"{question}\n\n# {file.name}\n{file.body}"}],
        }
        for number, file in enumerate(files, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect() -> None:
    """Print the improvements, and mark truncated ones: they need a larger max_tokens."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    for result in results:
        message = result["message"]
        cut = " (cut short)" if message and message["stop_reason"] == "max_tokens" else ""
        print(f"## {result['custom_id']}{cut}\n\n{result['text'] or result['outcome']}\n")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(sources(given.input, 10)))
