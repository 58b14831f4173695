"""titan-daily-monologue: one long text about recent work, here the commits of a repository.

Before, one call after another at full price:

    answer = client.messages.create(model=MODEL, max_tokens=8192, messages=prompt(commits))
    print(answer.content[0].text)

After, at half the price:

    python titan_daily_monologue.py [--input FOLDER]     # submits and exits
    python titan_daily_monologue.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, history, options

import titan_batch

JOB = "titan-daily-monologue"
TAG = f"{JOB}-{TODAY}"


def submit(commits: list[Text]) -> str:
    """Submit the single request."""
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
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    for result in results:
        print(result["text"] or result["outcome"])


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(history(given.input, 60)))
