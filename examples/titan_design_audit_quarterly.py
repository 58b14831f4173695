"""titan-design-audit-quarterly: a grade and an audit for the design of each source file.

Before, one call after another at full price:

    for source in sources:
        answer = client.messages.create(model=MODEL, max_tokens=8192, messages=prompt(source))
        audits.append((source.name, answer.content[0].text))

After, as one batch at half price:

    python titan_design_audit_quarterly.py [--input FOLDER]     # submits and exits
    python titan_design_audit_quarterly.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, sources

import titan_batch

JOB = "titan-design-audit-quarterly"
YEAR, MONTH = TODAY[:4], int(TODAY[5:7])
# The first of the quarter: a second run in it sends nothing, and any day can collect.
TAG = f"{JOB}-{YEAR}-{(MONTH - 1) // 3 * 3 + 1:02d}-01"
GRADES = "ABCDF"


def submit(files: list[Text]) -> str:
    """Submit one request per file."""
    question = (
        f"Audit the design of this file. Begin with a grade, one letter of {GRADES}, on a line of"
        " its own. Then: responsibilities, coupling, names, and what to change first."
    )
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "max_tokens": 8192,
            "messages": [{"role": "user", "content": f"{question}\n\n# {file.name}\n{file.body}"}],
        }
        for number, file in enumerate(files, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def grade(text: str) -> str:
    """The letter on the first line; "?" where the model gave none."""
    letter = text.strip().partition("\n")[0].strip()
    return letter if letter and letter in GRADES else "?"


def collect(files: list[Text]) -> None:
    """Print the audits, the worst grade first, and those without one last."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    texts = [result["text"] or result["outcome"] for result in results]
    audits = [(grade(text), file.name, text) for file, text in zip(files, texts, strict=True)]
    for letter, name, text in sorted(audits, key=lambda audit: audit[0], reverse=True):
        print(f"## {name}: {letter}\n\n{text}\n")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect(sources(given.input, 12))
    else:
        print(submit(sources(given.input, 12)))
