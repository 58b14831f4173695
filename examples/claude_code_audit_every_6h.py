"""claude-code-audit-every-6h: four audits a day, against a limit of 24 hours for each.

Before, one call after another at full price:

    for source in sources:
        answer = client.messages.create(model=MODEL, max_tokens=1024, messages=prompt(source))
        print(source.name, answer.content[0].text)

After, as one batch at half price:

    python claude_code_audit_every_6h.py [--input FOLDER]     # submits and exits
    python claude_code_audit_every_6h.py --collect            # prints the results
"""

import time

from inputs import TODAY, Text, options, sources

import titan_batch

JOB = "claude-code-audit-every-6h"
# The number of today's run, 0 to 3. Each run has its own tag, so that a late one does not block
# the next.
RUN = int(time.strftime("%H")) // 6
TAG = f"{JOB}-{TODAY}-{RUN}"


def submit(files: list[Text]) -> str:
    """Submit one request per file."""
    question = "Audit this file. List the defects that you are sure of, with lines; else say none."
    requests = [
        {
            "custom_id": f"{TAG}{number:02d}",
            "max_tokens": 1024,
            "messages": [{"role": "user", "content": f"{question}\n\n# {file.name}\n{file.body}"}],
        }
        for number, file in enumerate(files, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect() -> None:
    """Print the findings of today's runs that have ended."""
    for run in range(RUN + 1):
        try:
            results = titan_batch.poll_and_collect(f"{JOB}-{TODAY}-{run}") or []
        except titan_batch.UnknownId:
            continue
        for result in results:
            print(f"{result['custom_id']}: {result['text'] or result['outcome']}")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect()
    else:
        print(submit(sources(given.input, 6)))
