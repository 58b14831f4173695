"""titan-agent-utilization-daily: what each AI agent did today, from its log.

Before, one call after another at full price:

    for log in logs:
        answer = client.messages.create(model=MODEL, max_tokens=256, messages=prompt(log))
        print(log.name, answer.content[0].text, answer.usage)

After, as one batch at half price:

    python titan_agent_utilization_daily.py [--input FOLDER]     # submits and exits
    python titan_agent_utilization_daily.py --collect            # prints the results
"""

import sys

from inputs import TODAY, Text, options, texts

import titan_batch

JOB = "titan-agent-utilization-daily"
TAG = f"{JOB}-{TODAY}"


def submit(logs: list[Text]) -> str:
    """Submit the agents' logs, one file each in the --input folder."""
    question = "In one line: what did this agent achieve, and for how much of the time was it idle?"
    requests = [
        {
            "custom_id": f"{TAG}-{number:03d}",
            "max_tokens": 256,
            "messages": [{"role": "user", "content": f"{question}\n\n{log.body}"}],
        }
        for number, log in enumerate(logs, 1)
    ]
    return titan_batch.submit(requests, tag=TAG)


def collect(logs: list[Text]) -> None:
    """Print a line per agent, with the tokens that the answer took, and their sum."""
    results = titan_batch.poll_and_collect(TAG)
    if results is None:
        sys.exit("The batch has not ended yet. Run this again after the next poll.")
    total = 0
    for log, result in zip(logs, results, strict=True):
        usage = result["usage"]
        tokens = usage["input_tokens"] + usage["output_tokens"] if usage else 0
        total += tokens
        print(f"{log.name} ({tokens:,} tokens): {result['text'] or result['outcome']}")
    print(f"{len(results)} agents, {total:,} tokens")


if __name__ == "__main__":
    given = options(__doc__)
    if given.collect:
        collect(texts(given.input, 10))
    else:
        print(submit(texts(given.input, 10)))
