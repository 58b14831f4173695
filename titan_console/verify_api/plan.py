"""The fixed set of batches and messages of a run, and what each of them can cost at most. Pure."""

from typing import TYPE_CHECKING

import msgspec

from core.errors import InputError
from core.money.estimate import cost_bound
from core.money.pricing import PriceBook
from core.requests.cache_control import CachePolicy
from core.requests.model_limits import EXTENDED_OUTPUT_BETA, cache_minimum
from core.requests.payload import Limits, to_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

DEFAULT_MODEL = "claude-haiku-5-5"
Request = dict[str, object]

# Each batch has its own number of requests, by which it is found in a list.
CUT, IDS, USAGE, WRITE, READ, CANCEL, LONG = (
    *("cut", "ids", "usage", "cache-write", "cache-read", "cancel", "long"),
)
MESSAGE = "message"
# One of each is created and rejected.
PROBES = ("bad-id", "duplicate", "empty", "not-json", "unknown-beta", "params-text")
BAD_POSITION = 1
UNKNOWN_MODEL = "claude-no-such-model"
_LONGEST_ID = 64
_LONG_TOKENS = 300_000
_CANCELED = 20
# Of a marked prefix: well above the fewest tokens that are cached.
_BYTES_A_TOKEN = 8


class Plan:
    """The requests of a run with that model and nonce."""

    def __init__(self, model: str, nonce: str) -> None:
        """Prompts with a cache mark begin with the nonce: no earlier run has cached them."""
        self._model = model
        self._nonce = nonce
        self.batches: Mapping[str, Sequence[Request]] = {
            CUT: [self._short(f"verify-cut-{number}") for number in range(3)],
            IDS: [self._short(_long_id(letter)) for letter in "aA"],
            USAGE: self._usage(),
            WRITE: [self._marked(f"verify-write-{number}", "a") for number in range(4)],
            READ: [
                *(self._marked(f"verify-read-{number}", "a") for number in range(4)),
                self._marked("verify-read-message", "b"),
            ],
            CANCEL: [self._canceled(number) for number in range(_CANCELED)],
            LONG: [self._short("verify-long", max_tokens=_LONG_TOKENS)],
        }

    def sizes(self) -> dict[int, str]:
        """The batch with that number of requests."""
        return {len(requests): name for name, requests in self.batches.items()}

    def body(self, name: str) -> str:
        """The body of the create of a batch."""
        return msgspec.json.encode({"requests": self.batches[name]}).decode()

    def betas(self, name: str) -> tuple[str, ...]:
        """The beta headers of a create."""
        return {LONG: (EXTENDED_OUTPUT_BETA,), "unknown-beta": ("no-such-beta",)}.get(name, ())

    def message(self) -> str:
        """The body of the Messages call, whose prompt a later batch repeats."""
        return msgspec.json.encode(self._marked("", "b")["params"]).decode()

    def probe(self, name: str) -> str:
        """The body of a create that the API rejects."""
        if name == "not-json":
            return '{"requests": ['
        good = [self._short(f"verify-probe-{number}") for number in range(2)]
        bad = good[BAD_POSITION]
        changed: Mapping[str, list[Request]] = {
            "bad-id": [good[0], bad | {"custom_id": "verify probe"}],
            "duplicate": [good[0], bad | {"custom_id": good[0]["custom_id"]}],
            "empty": [],
            "params-text": [good[0], bad | {"params": "text"}],
        }
        return msgspec.json.encode({"requests": changed.get(name, good)}).decode()

    def _short(self, custom_id: str, **more: object) -> Request:
        asked = [{"role": "user", "content": "Reply with the word ok."}]
        params = {"model": self._model, "max_tokens": 16, "messages": asked, **more}
        return {"custom_id": custom_id, "params": params}

    def _usage(self) -> list[Request]:
        return [
            self._short("verify-plain"),
            self._short("verify-us", inference_geo="us"),
            self._short("verify-global", inference_geo="global"),
            self._short("verify-tier", service_tier="auto"),
            self._short("verify-unknown-field", no_such_field=True),
            self._short("verify-unknown-model", model=UNKNOWN_MODEL),
        ]

    def _marked(self, custom_id: str, letter: str) -> Request:
        line = f"Line of the list {self._nonce}-{letter}, kept for later.\n"
        text = line * -(-_BYTES_A_TOKEN * cache_minimum(self._model) // len(line))
        mark = {"type": "ephemeral", "ttl": "1h"}
        return self._short(
            custom_id, system=[{"type": "text", "text": text, "cache_control": mark}]
        )

    def _canceled(self, number: int) -> Request:
        text = f"Write 200 words about the number {number}."
        asked = [{"role": "user", "content": text}]
        return self._short(f"verify-cancel-{number}", messages=asked, max_tokens=400)


def _long_id(letter: str) -> str:
    start = "verify-ids-"
    return start + letter * (_LONGEST_ID - len(start))


class Costs:
    """The maximum cost of each create and call, in nano-dollars."""

    def __init__(self, plan: Plan, model: str, prices: PriceBook, at: "datetime") -> None:
        """Raises InputError where the model has no known price."""
        self._model, self._prices, self._at = model, prices, at
        self.batches = {
            name: sum(self._of(request)[0] for request in requests)
            for name, requests in plan.batches.items()
        }
        self.message = self._of({"custom_id": "m", **msgspec.json.decode(plan.message())})[1]
        # The API rejects them; if it does not, they are two short requests.
        self.probe = 2 * self._of(plan.batches[CUT][0])[0]

    @property
    def total(self) -> int:
        """Of a whole run."""
        return sum(self.batches.values()) + self.message + len(PROBES) * self.probe

    def _of(self, request: Request) -> tuple[int, int]:
        """In a batch, and synchronously; an unknown model counts as that of the run."""
        params = dict(msgspec.convert(request.get("params", request), dict[str, object]))
        params |= {"custom_id": "r", "model": self._model}
        # Their price has no bound; the API rejects them.
        params.pop("no_such_field", None)
        line = to_line(
            params,
            position=1,
            model=self._model,
            betas=(),
            limits=Limits(),
            cache=CachePolicy.HOUR,
        )
        batch, sync = cost_bound(self._prices, self._at, line).at_most
        if batch is None or sync is None:
            raise InputError(
                f"{self._model} has no known price, so that no cost limit can be kept: add it to"
                " titan.toml as [[prices.MODEL]], or use another --model.",
                code="budget_without_price",
            )
        return batch, sync
