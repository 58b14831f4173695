"""innerverse-tc7-weekly-synthesis: five views of one week's notes, with a common cached prompt.

Before, one call after another at full price:

    for theme in THEMES:
        answer = client.messages.create(
            model=MODEL, max_tokens=4096, system=notes, messages=prompt(theme)
        )
        print(answer.content[0].text)

After, as one batch at half price:

    python innerverse_tc7_weekly_synthesis.py [--input FOLDER]     # submits and exits
    python innerverse_tc7_weekly_synthesis.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "innerverse-tc7-weekly-synthesis"
TAG = f"{JOB}-{TODAY}"
THEMES = ("recurring ideas", "contradictions", "open questions", "changes of mood", "next steps")


def submit(notes: list[Text]) -> str:
    """Submit five requests that share the notes in a 1-hour cache; 5 minutes are too short."""
    week = {
        "type": "text",
        "text": "\n\n".join(f"# {note.name}\n{note.body}" for note in notes),
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "max_tokens": 4096,
            "system": [week],
            "messages": [{"role": "user", "content": f"Write a synthesis of the notes: {theme}."}],
        }
        for number, theme in enumerate(THEMES, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect() -> None:
    """Print the synthesis, theme by theme."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    for theme, result in zip(THEMES, results, strict=True):
        print(f"## {theme}\n\n{result['text'] or result['outcome']}\n")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(texts(given.input, 40)))
