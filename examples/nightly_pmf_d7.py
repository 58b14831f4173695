"""nightly-pmf-d7: how disappointed users would be without the product (product-market fit).

Before, one call after another at full price:

    for note in notes:
        answer = client.messages.create(model=MODEL, max_tokens=16, messages=prompt(note))
        answers[answer.content[0].text.strip()] += 1

After, as one batch at half price:

    python nightly_pmf_d7.py [--input FOLDER]     # submits and exits
    python nightly_pmf_d7.py --collect            # prints the results
"""

import sys
from collections import Counter

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "nightly-pmf-d7"
TAG = f"{JOB}-{TODAY}"
ANSWERS = ("very", "somewhat", "not")
# Product-market fit by Sean Ellis's rule.
ENOUGH = 0.4


def submit(notes: list[Text]) -> str:
    """Submit the users' notes, one file each in the --input folder."""
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
    """Print the counts, and whether the target is met."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
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
