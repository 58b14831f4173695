"""What is taken out of a recording before it is written, so that it can be sent to anyone. Pure.

Credentials and most headers are never in it. Ids of the account become numbers, a batch of another
program loses its id and its counts, and results of such a batch are left out.
"""

import re
from collections.abc import Collection
from hashlib import blake2b
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from core.api.exchanges import Answer
from core.redaction import redact
from core.requests.json_access import as_dict, as_int, as_list, as_str, is_dict

_HIDDEN = "(hidden)"
_ID = re.compile(
    r"\b(req|workerreq|wrkspc|org|user|apikey|acct|file|svac)_(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{8,}"
)
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_HOST = re.compile(r"\b(https?://)[^/\"\s\\]+")
# They name the account at a platform.
_PROJECT = re.compile(r"\bprojects/[^/\"\s\\]+")
_ARN = re.compile(r"\barn:[^\"\s\\]+")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_ACCOUNT = ("anthropic-organization-id", "anthropic-workspace-id")
_OWN = "verify-"
_FOREIGN = "msgbatch_other"
# Of a batch of another program; all counts become 0.
_KEPT = (
    *("type", "processing_status", "created_at", "expires_at", "ended_at", "archived_at"),
    *("cancel_initiated_at", "request_counts"),
)
_PUBLIC = "anthropic.com"


class Privacy:
    """Knows which batches are of this run."""

    def __init__(self, nonce: str, base_url: str) -> None:
        """The nonce makes stand-ins of ids that cannot be traced back."""
        self._nonce = nonce
        self._domain = _domain_of(urlsplit(base_url).hostname or "")
        self._own_host = re.compile(r"[\w.-]{0,200}" + re.escape(self._domain))
        self._accounts: dict[str, str] = {}
        self.own: set[str] = set()
        # Stand-ins of the batches that were there before the run.
        self.before: set[str] = set()

    def stand_in(self, batch_id: str) -> str:
        """What takes the place of the id of another program's batch."""
        return f"{_FOREIGN}_{blake2b((self._nonce + batch_id).encode(), digest_size=8).hexdigest()}"

    def clean(
        self, answer: Answer, *, lost_sizes: Collection[int] = (), only_own: bool = False
    ) -> Answer:
        """The answer as it is recorded.

        A new batch whose number of requests is in `lost_sizes` keeps its id: it may be of a create
        without an answer. `only_own` leaves other batches out of a list.
        """
        headers = {name: self._header(name, value) for name, value in answer.headers.items()}
        body = self._text(answer.body)
        try:
            value = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeError):
            body = body if _is_own_results(answer) else _left_out(answer)
        else:
            page = as_dict(value)
            if is_dict(value) and "data" in page and "has_more" in page:
                body = self._text(self._page(page, lost_sizes, only_own=only_own))
        return replace(answer, headers=headers, body=body)

    def _header(self, name: str, value: str) -> str:
        if name not in _ACCOUNT:
            return self._text(value)
        return self._accounts.setdefault(value, f"(account {len(self._accounts) + 1})")

    def _text(self, text: str) -> str:
        for part, pattern, stand_in in (
            ("://", _HOST, r"\1(host)"),
            ("_", _ID, rf"\1_{_HIDDEN}"),
            ("-", _UUID, _HIDDEN),
            ("@", _EMAIL, _HIDDEN),
            ("projects/", _PROJECT, f"projects/{_HIDDEN}"),
            ("arn:", _ARN, _HIDDEN),
            (".", _ADDRESS, _HIDDEN),
            (self._domain, self._own_host, "(host)"),
        ):
            # Most answers have no such part, and a pattern takes a hundred times as long.
            if part and part in text:
                text = pattern.sub(stand_in, text)
        return redact(text)

    def _page(self, page: dict[str, object], lost_sizes: Collection[int], *, only_own: bool) -> str:
        new_ids: dict[str, str] = {}
        data: list[object] = []
        for batch in map(as_dict, as_list(page["data"])):
            batch_id = as_str(batch.get("id"))
            if batch_id in self.own or self._may_be_own(batch, lost_sizes):
                data.append(batch)
                continue
            new_ids[batch_id] = self.stand_in(batch_id)
            if not only_own:
                data.append(_without_details(batch, new_ids[batch_id]))
        cursors = {
            name: new_ids.get(as_str(page[name]), page[name])
            for name in ("first_id", "last_id")
            if name in page
        }
        return msgspec.json.encode(page | cursors | {"data": data}).decode()

    def _may_be_own(self, batch: dict[str, object], lost_sizes: Collection[int]) -> bool:
        if self.stand_in(as_str(batch.get("id"))) in self.before:
            return False
        return _total(batch) in lost_sizes


def _total(batch: dict[str, object]) -> int:
    return sum(as_int(count) or 0 for count in as_dict(batch.get("request_counts")).values())


def _without_details(batch: dict[str, object], stand_in: str) -> dict[str, object]:
    kept = {name: batch[name] for name in _KEPT if name in batch}
    if "request_counts" in kept:
        kept["request_counts"] = dict.fromkeys(as_dict(kept["request_counts"]), 0)
    return {"id": stand_in, **kept}


def _is_own_results(answer: Answer) -> bool:
    """Whether each line with a custom_id is of a request of `verify-api`."""
    found = re.findall(r'"custom_id"\s*:\s*"([^"]*)"', answer.body)
    return bool(found) and all(name.startswith(_OWN) for name in found)


def _left_out(answer: Answer) -> str:
    return f"(left out: {len(answer.body)} characters)" if answer.body else ""


def _domain_of(host: str) -> str:
    """The domain of a gateway; empty for the API's own host and for this machine."""
    labels = host.split(".")
    if len(labels) < 2 or host.endswith(_PUBLIC) or _ADDRESS.fullmatch(host):  # noqa: PLR2004 - a name and its domain
        return ""
    return ".".join(labels[-2:])
