"""titan-weekly-dream: connections between unrelated texts.

Before, one call after another at full price:

    for one, other in pairs(texts):
        answer = client.messages.create(model=MODEL, max_tokens=2048, messages=prompt(one, other))
        print(one.name, other.name, answer.content[0].text)

After, as one batch at half price:

    python titan_weekly_dream.py [--input FOLDER]     # submits and exits
    python titan_weekly_dream.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "titan-weekly-dream"
TAG = f"{JOB}-{TODAY}"


def pairs(given_texts: list[Text]) -> list[tuple[Text, Text]]:
    """The first with the last, the second with the last but one, and so on."""
    half = len(given_texts) // 2
    return list(zip(given_texts[:half], reversed(given_texts[half:]), strict=False))


def submit(given_texts: list[Text]) -> str:
    """Submit the pairs. A request may use any API parameter, here a system prompt."""
    question = "What do these two have in common that is easy to miss? Dream it up."
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "max_tokens": 2048,
            "system": "You are asleep, and everything is connected.",
            "messages": [
                {"role": "user", "content": f"{question}\n\n{one.body}\n\n---\n\n{other.body}"}
            ],
        }
        for number, (one, other) in enumerate(pairs(given_texts), 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect() -> None:
    """Print the dreams."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    for result in results:
        print(f"* {result['text'] or result['outcome']}\n")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(texts(given.input, 24)))
