"""The commands that are compared: Titan Console, the bare SDK, and peers."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

_IN_PROCESS = Path(__file__).parent / "in_process.py"

_SDK_CREATE = """
import json, sys
import anthropic
requests = []
for line in open(sys.argv[1]):
    params = json.loads(line)
    custom_id = params.pop("custom_id")
    requests.append({"custom_id": custom_id, "params": {"model": "claude-sonnet-4-6", **params}})
print(anthropic.Anthropic(max_retries=0).messages.batches.create(requests=requests).id)
"""
_SDK_RESULTS = """
import sys
import anthropic
client = anthropic.Anthropic(max_retries=0)
print(sum(r.result.type == "succeeded" for r in client.messages.batches.results(sys.argv[1])))
"""
_SDK_RESULTS_ALONE = """
import sys, time
import anthropic
client = anthropic.Anthropic(max_retries=0)
began = time.monotonic()
if not all(r.result.type == "succeeded" for r in client.messages.batches.results(sys.argv[1])):
    sys.exit("not all succeeded")
print(time.monotonic() - began)
"""
_DOWNLOAD = """
import os, sys, time
import httpx2
began = time.monotonic()
address = f"{os.environ['ANTHROPIC_BASE_URL']}/v1/messages/batches/{sys.argv[1]}/results"
with httpx2.stream("GET", address, timeout=600) as answer, open(sys.argv[2], "wb") as file:
    for piece in answer.iter_bytes(1 << 18):
        file.write(piece)
    file.flush()
    os.fsync(file.fileno())
print(time.monotonic() - began)
"""


def sdk_create(source: Path) -> list[str]:
    """Read the requests and create a batch with the SDK; keep no record."""
    return [sys.executable, "-c", _SDK_CREATE, str(source)]


def sdk_results(batch_id: str) -> list[str]:
    """Iterate over the results with the SDK; store none."""
    return [sys.executable, "-c", _SDK_RESULTS, batch_id]


def sdk_results_alone(batch_id: str) -> list[str]:
    """The same; prints the seconds it took once the SDK was loaded."""
    return [sys.executable, "-c", _SDK_RESULTS_ALONE, batch_id]


def download(batch_id: str, target: Path) -> list[str]:
    """Download the results to a file with fsync: the speed of the disk and the loopback."""
    return [sys.executable, "-c", _DOWNLOAD, batch_id, str(target)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Another tool: one program that submits `n` requests about `text` and collects their results.

    `package` holds pip requirements separated by spaces; `python` is the oldest supported version.
    """

    name: str
    package: str
    program: str
    note: str
    python: tuple[int, int] = (3, 11)


PEERS = (
    Peer(
        name="steadybatch",
        package="steadybatch[anthropic]",
        program="""
from steadybatch import Request, Runner
from steadybatch.providers.anthropic_batch import AnthropicBatch
runner = Runner(AnthropicBatch(), "claude-sonnet-4-6", checkpoint="job.db", poll_every=0.2)
report = runner.run([Request(key=f"r-{i}", messages=[{"role": "user", "content": f"{i}: {text}"}],
                             max_tokens=64) for i in range(n)])
print(report)
""",
        note="durable, one commit for each result; no delivered file, no prices",
    ),
    Peer(
        name="batchlane",
        package="batchlane",
        program="""
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it waits for a list from the network
import batchlane.adapters.anthropic as adapter
adapter.BASE_URL = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages/batches"
import batchlane
rows = [batchlane.BatchLine(f"r-{i}", "anthropic/claude-sonnet-4-6",
                            [{"role": "user", "content": f"{i}: {text}"}], {"max_tokens": 64})
        for i in range(n)]
print(sum(1 for _ in batchlane.run(rows, poll_interval=0.2)))
""",
        note="adopts orphans; results are held in memory",
    ),
    Peer(
        name="batchwizard",
        package="batchwizard",
        program="""
import json, subprocess, sys
with open("in.jsonl", "w") as file:
    for i in range(n):
        file.write(json.dumps({"custom_id": f"r-{i}", "params": {"model": "claude-sonnet-4-6",
            "max_tokens": 64, "messages": [{"role": "user", "content": f"{i}: {text}"}]}}) + "\\n")
tool = os.path.join(os.path.dirname(sys.executable), "batchwizard")
subprocess.run([tool, "submit", "--provider", "anthropic", "in.jsonl"], check=True)
subprocess.run([tool, "watch", "--check-interval", "0", "--output-directory", "out"], check=True)
""",
        note="files and a job table; no rows, prices or replays; loads the SDK twice",
    ),
    Peer(
        name="batchwork-ai",
        package="batchwork-ai",
        program="""
import asyncio, sys
from batchwork import BatchRequest, Batchwork
async def main():
    async with Batchwork() as client:
        job = await client.batch(model="anthropic/claude-sonnet-4-6", requests=[
            BatchRequest(custom_id=f"r-{i}", prompt=f"{i}: {text}", max_output_tokens=64)
            for i in range(n)])
        await job.wait(poll_interval=0.2)
        return {r.custom_id for r in await job.collect() if r.status == "succeeded"}
if len(asyncio.run(main())) != n:
    sys.exit("not all succeeded")
""",
        note="loads no SDK; nothing on disk, no prices, no replays; results are held in memory",
    ),
    Peer(
        name="inspect-ai",
        package="inspect-ai anthropic",
        program="""
import asyncio, sys
from inspect_ai.model import BatchConfig, GenerateConfig, get_model
async def main():
    model = get_model("anthropic/claude-sonnet-4-6", config=GenerateConfig(
        max_tokens=64, max_connections=n, batch=BatchConfig(size=n, send_delay=0.2, tick=0.2)))
    return await asyncio.gather(*(model.generate(f"{i}: {text}") for i in range(n)))
if sum(bool(output.completion) for output in asyncio.run(main())) != n:
    sys.exit("not all succeeded")
""",
        note="built for evaluations, a typed answer per row; nothing on disk, everything in memory",
    ),
    Peer(
        name="bespokelabs-curator",
        package="bespokelabs-curator instructor<1.15",
        program="""
import sys
os.environ |= {"TELEMETRY_ENABLED": "0", "CURATOR_VIEWER": "0", "HF_HUB_OFFLINE": "1",
               "CURATOR_CACHE_DIR": "cache", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
from bespokelabs import curator
llm = curator.LLM(model_name="claude-haiku-4-5-20251001", backend="anthropic", batch=True,
    generation_params={"max_tokens": 64}, backend_params={"batch_check_interval": 1,
    "batch_size": n, "base_url": os.environ["ANTHROPIC_BASE_URL"]})
rows = llm([f"{i}: {text}" for i in range(n)]).dataset
if sum(bool(row["response"]) for row in rows) != n:
    sys.exit("not all succeeded")
""",
        note="request and response files, a dataset, estimated prices; polls at most once a second",
    ),
    Peer(
        name="batchata",
        package="batchata",
        program="""
import sys
from batchata import Batch
from batchata.providers.anthropic.anthropic import AnthropicProvider
AnthropicProvider.get_polling_interval = lambda self: 0.2  # 1 s, and no setting for it
batch = Batch(results_dir="out", items_per_batch=n, raw_files=False).set_verbosity("error")
batch.set_default_params(model="claude-3-5-haiku-20241022", max_tokens=64)
batch.set_state(file="state.json", reuse_state=False)
for i in range(n):
    batch.add_job(messages=[{"role": "user", "content": f"{i}: {text}"}])
if len(batch.run().results()["completed"]) != n:
    sys.exit("not all succeeded")
""",
        note="prices, a file for each result, a state without batch ids; results in memory too",
        python=(3, 12),
    ),
)


def bare_python() -> list[str]:
    """A Python interpreter that runs no code."""
    return [sys.executable, "-c", "pass"]


def titan(*arguments: str, python: str = sys.executable) -> list[str]:
    """A `titan-console` command line, of the version that this interpreter has."""
    # Without -P the packages of the working folder would come first.
    return [python, "-P", "-m", "titan_console", *arguments]


def in_process(step: str, argument: object) -> list[str]:
    """One step of the engine; prints the seconds it took once everything was loaded."""
    return [sys.executable, str(_IN_PROCESS), step, str(argument)]


def peer_python(folder: Path) -> str:
    """The interpreter of the peer's own environment."""
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
