"""titan-weekly-review: the week's commits, reviewed twenty at a time.

Before, one call after another at full price:

    for part in parts(commits):
        answer = client.messages.create(model=MODEL, max_tokens=4096, messages=prompt(part))
        print(answer.content[0].text)

After, as one batch at half price:

    python titan_weekly_review.py [--input FOLDER]     # submits and exits
    python titan_weekly_review.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, history, options

import titan_batch

JOB = "titan-weekly-review"
TAG = f"{JOB}-{TODAY}"
AT_ONCE = 20


def submit(commits: list[Text]) -> str:
    """Hand the commits over, twenty a request. Two days are time enough."""
    parts = [commits[first : first + AT_ONCE] for first in range(0, len(commits), AT_ONCE)]
    question = "Review these commits: what was achieved, what was left half done, what is risky?"
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "max_tokens": 4096,
            "messages": [
                {
                    "role": "user",
                    "content": "\n\n".join([question, *(f"{c.name} {c.body}" for c in part)]),
                }
            ],
        }
        for number, part in enumerate(parts, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect() -> None:
    """Print the review, part by part, and what it cost."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    for result in results:
        print(f"{result['text'] or result['outcome']}\n")
    print(f"Cost: ${sum(result['cost_usd'] or 0 for result in results):.4f}")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(history(given.input, 100)))
