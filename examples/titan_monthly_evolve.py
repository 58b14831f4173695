"""titan-monthly-evolve: the next version of a few source files, written in full in one answer.

Before, one call after another at full price; a call outside a batch writes at most 128,000 tokens:

    for source in sources:
        with client.messages.stream(
            model=MODEL, max_tokens=128_000, messages=prompt(source)
        ) as answer:
            print(answer.get_final_text())

After, as one request with up to 300,000 tokens of output, in a batch at half price:

    python titan_monthly_evolve.py [--input FOLDER]     # submits and exits
    python titan_monthly_evolve.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, sources

import titan_batch

JOB = "titan-monthly-evolve"
# The first of the month: a second run in the month sends nothing, and any day can collect.
TAG = f"{JOB}-{TODAY[:7]}-01"
# More than 128,000 needs a beta header, which titan_batch adds, and runs only in a batch: it may
# take more than an hour.
MAX_TOKENS = 300_000


def submit(files: list[Text]) -> str:
    """Submit all files in one request, so that changes in one fit the others."""
    question = "Write the next version of these files, each in full, and say first what changes."
    content = "\n\n".join([question, *(f"# {file.name}\n{file.body}" for file in files)])
    requests = [
        {
            "custom_id": f"{TAG}-001",
            "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": content}],
        }
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect() -> None:
    """Print the new version, its length, and whether the model finished it."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    (result,) = results
    print(result["text"] or result["outcome"])
    message = result["message"]
    if message:
        tokens = message["usage"]["output_tokens"]
        print(f"\n{tokens:,} tokens, stopped by {message['stop_reason']}")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(sources(given.input, 5)))
