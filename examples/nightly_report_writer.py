"""nightly-report-writer: a report with one request per section.

Before, one call after another at full price:

    for source in sources:
        answer = client.messages.create(model=MODEL, max_tokens=4096, messages=prompt(source))
        report.append(answer.content[0].text)

After, as one batch at half price:

    python nightly_report_writer.py [--input FOLDER]     # submits and exits
    python nightly_report_writer.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, sources

import titan_batch

JOB = "nightly-report-writer"
TAG = f"{JOB}-{TODAY}"


def submit(files: list[Text]) -> str:
    """Submit one request per file of the report."""
    question = "Write a section of a report on this module: purpose, quality, risks. No heading."
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": f"{question}\n\n# {file.name}\n{file.body}"}],
        }
        for number, file in enumerate(files, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect(files: list[Text]) -> None:
    """Print the report as Markdown. A failed section shows its outcome."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    print(f"# Report of {TODAY}\n")
    for file, result in zip(files, results, strict=True):
        print(f"## {file.name}\n\n{result['text'] or '(' + result['outcome'] + ')'}\n")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect(sources(given.input, 8))
    else:
        print(submit(sources(given.input, 8)))
