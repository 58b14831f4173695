"""nightly-prompt-eval: compares three wordings of one prompt on the same texts.

Before, one call after another at full price:

    for wording, text in trials(texts):
        answer = client.messages.create(model=MODEL, max_tokens=16, messages=prompt(wording, text))
        good[wording] += answer.content[0].text.strip() in LABELS

After, as one batch at half price:

    python nightly_prompt_eval.py [--input FOLDER]     # submits and exits
    python nightly_prompt_eval.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "nightly-prompt-eval"
TAG = f"{JOB}-{TODAY}"
LABELS = ("data", "text", "network", "files", "other")
WORDINGS = (
    f"Classify this text. Answer with one of: {', '.join(LABELS)}.",
    f"Which category fits? Categories: {', '.join(LABELS)}. Answer with the category only.",
    f"Give the best label for the text below. Labels: {', '.join(LABELS)}.",
)


def submit(given_texts: list[Text]) -> str:
    """Submit every wording with every text; the number of the wording is part of the id."""
    requests = [
        {
            "custom_id": f"{TAG}-{wording}{number:02d}",
            "max_tokens": 16,
            "messages": [{"role": "user", "content": f"{WORDINGS[wording]}\n\n{text.body}"}],
        }
        for wording in range(len(WORDINGS))
        for number, text in enumerate(given_texts, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect() -> None:
    """Print for each wording the share of answers that are exactly one label."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    for wording, words in enumerate(WORDINGS):
        mine = [r for r in results if r["custom_id"].startswith(f"{TAG}-{wording}")]
        good = sum((r["text"] or "").strip().lower() in LABELS for r in mine)
        print(f"{good / max(1, len(mine)):.0%} of {len(mine)}: {words}")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(texts(given.input, 12)))
