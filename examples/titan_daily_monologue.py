"""titan-daily-monologue: one long text on what was done, here the commits of a repository.

Before, at the full price and one call after another:

    answer = client.messages.create(model=MODEL, max_tokens=8192, messages=prompt(commits))
    print(answer.content[0].text)

After, at half the price:

    python titan_daily_monologue.py [--input FOLDER]     # submits and ends
    python titan_daily_monologue.py --collect            # prints the results, later
"""

import sys

from inputs import TODAY, Text, history, options

import titan_batch

JOB = "titan-daily-monologue"
TAG = f"{JOB}-{TODAY}"


def submit(commits: list[Text]) -> str:
    """Hand the one request over; nobody waits for it."""
    done = "\n\n".join(f"{commit.name} {commit.body}" for commit in commits)
    question = f"Think aloud, in the first person, about what was done here.\n\n{done}"
    request = {
        "custom_id": f"{TAG}-001",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": question}],
    }
    return titan_batch.submit([request], tag=TAG)


def collect() -> None:
    """Print the monologue."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("It still runs; come again after the next poll.")
    for result in results:
        print(result["text"] or result["outcome"])


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(history(given.input, 60)))
