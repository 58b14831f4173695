"""nightly-pmf-d7: seven days in, how many would be very disappointed to lose the product.

Before, at the full price and one call after another:

    for note in notes:
        answer = client.messages.create(model=MODEL, max_tokens=16, messages=prompt(note))
        answers[answer.content[0].text.strip()] += 1

After, all of it at once and at half the price:

    python nightly_pmf_d7.py [--input FOLDER]     # submits and ends
    python nightly_pmf_d7.py --collect            # prints the results, later
"""

import sys
from collections import Counter

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "nightly-pmf-d7"
TAG = f"{JOB}-{TODAY}"
ANSWERS = ("very", "somewhat", "not")
# From this share on, by Sean Ellis's rule, a product fits its market.
ENOUGH = 0.4


def submit(notes: list[Text]) -> str:
    """Hand the users' notes over: one file each in the folder that --input names."""
    question = (
        "How disappointed would the writer be without the product?"
        f" Answer with one of: {', '.join(ANSWERS)}."
    )
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "max_tokens": 16,
            "messages": [{"role": "user", "content": f"{question}\n\n{note.body}"}],
        }
        for number, note in enumerate(notes, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect() -> None:
    """Print how many said what, and whether it is enough."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("It still runs; come again after the next poll.")
    said = Counter((result["text"] or result["outcome"]).strip().lower() for result in results)
    for answer, count in said.most_common():
        print(f"{answer}: {count}")
    share = said["very"] / max(1, len(results))
    print(f"{share:.0%} very disappointed: {'enough' if share >= ENOUGH else 'not yet enough'}")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(texts(given.input, 30)))
