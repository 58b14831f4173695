"""Finds the prefix that requests have in common, and marks its end for the prompt cache.

A cache reads tools, then the system prompt, then the messages. Their blocks are compared as the
bytes that are sent, so that a prefix is common exactly where the API sees the same one.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from core.requests.model_limits import cache_minimum
from core.requests.payload import Line

_MARK = Raw(b'{"type":"ephemeral","ttl":"1h"}')
_OWN_MARK = b'"cache_control"'
_GLOBAL = Raw(b'"global"')
# What the prompt does not contain: requests that differ only here share a cache.
_NOT_READ = frozenset({"tools", "system", "messages", "max_tokens", "metadata", "stop_sequences"})
# Fewer tokens than most texts have, so that a prefix that counts as long enough is.
_BYTES_PER_TOKEN = 4
# A write of an hour costs twice the input price, a read at least a fortieth: with two requests
# priming never pays, with three it does where the other two read.
_FEWEST = 3
# Blocks of messages and system prompts that may carry a mark.
_MARKED_TYPES = frozenset({b'"text"', b'"image"', b'"document"', b'"tool_use"', b'"tool_result"'})
# The mark, and the block around a text that is not in one.
MARK_BYTES = len(b'[{"type":"text","text":,"cache_control":}]') + len(bytes(_MARK))

_Fields = dict[str, Raw]
_object = msgspec.json.Decoder(_Fields)
_list = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.encode


class Prefix(Struct, frozen=True, kw_only=True):
    """A prefix of `requests` requests: its first blocks as `head`, its length, its first request.

    `position` is that of the first request, from 1, `betas` are its beta headers. `bytes` are those
    of the prefix. `is_global`: the requests name the region at the plain price.
    """

    head: str
    blocks: int
    position: int
    requests: int
    bytes: int
    model: str
    betas: tuple[str, ...] = ()
    is_global: bool = False


class _Block(Struct, frozen=True):
    """One block of a prompt: a digest of it, its bytes, and whether it can carry a mark."""

    digest: bytes
    size: int
    takes_mark: bool


class _Group(Struct, kw_only=True):
    """Requests of one head, and the blocks that all of them begin with."""

    model: str
    betas: tuple[str, ...]
    is_global: bool
    position: int
    blocks: list[_Block]
    requests: int = 0

    def up_to_a_mark(self) -> list[_Block]:
        """The common blocks up to the last one that can carry a mark."""
        last = max((n for n, block in enumerate(self.blocks, 1) if block.takes_mark), default=0)
        return self.blocks[:last]


class PrefixFinder:
    """Reads a stream of requests, and keeps only digests of their blocks.

    Requests are grouped by their model, their tools and the first block of the system prompt, or
    that of the messages where there is neither.
    """

    def __init__(self) -> None:
        """Start without a request."""
        self._groups: dict[str, _Group] = {}
        self.requests = 0

    def add(self, line: Line) -> None:
        """Compare the next request with those before it."""
        self.requests += 1
        params = _object.decode(_object.decode(line.body)["params"])
        blocks = [_block(block) for block in _blocks(params)]
        head = _head(params, blocks)
        group = self._groups.get(head)
        if group is None:
            group = _Group(
                model=line.model,
                betas=line.betas,
                is_global=params.get("inference_geo") == _GLOBAL,
                position=self.requests,
                blocks=blocks,
            )
            self._groups[head] = group
        group.requests += 1
        del group.blocks[_common(group.blocks, blocks) :]

    def prefixes(self) -> list[Prefix]:
        """Those that are long enough for a cache and that enough requests have."""
        found = [
            Prefix(
                head=head,
                blocks=len(blocks),
                position=group.position,
                requests=group.requests,
                bytes=sum(block.size for block in blocks),
                model=group.model,
                betas=group.betas,
                is_global=group.is_global,
            )
            for head, group in self._groups.items()
            if group.requests >= _FEWEST and (blocks := group.up_to_a_mark())
        ]
        return [
            prefix
            for prefix in found
            if prefix.bytes >= cache_minimum(prefix.model) * _BYTES_PER_TOKEN
        ]


def prefix_of(line: Line, blocks_by_head: Mapping[str, int]) -> Prefix | None:
    """The prefix that `marked` would mark, as that of one request; None where it marks none."""
    if _OWN_MARK in line.body:
        return None
    params = _object.decode(_object.decode(line.body)["params"])
    blocks = [_block(block) for block in _blocks(params)]
    head = _head(params, blocks)
    count = blocks_by_head.get(head)
    if not count or count > len(blocks):
        return None
    return Prefix(
        head=head,
        blocks=count,
        position=1,
        requests=1,
        bytes=sum(block.size for block in blocks[:count]),
        model=line.model,
        is_global=params.get("inference_geo") == _GLOBAL,
    )


def marked(body: bytes, blocks_by_head: Mapping[str, int]) -> bytes:
    """The line with a mark at the end of its prefix; unchanged without one, or with own marks."""
    if _OWN_MARK in body:
        return body
    line = _object.decode(body)
    params = _object.decode(line["params"])
    blocks = [_block(block) for block in _blocks(params)]
    count = blocks_by_head.get(_head(params, blocks))
    if not count or count > len(blocks):
        return body
    line["params"] = Raw(_encode(_with_mark(params, count)))
    return _encode(line)


def at_most(line: Line) -> Line:
    """The line as it costs most where it may be marked: all of it written to the cache."""
    if _OWN_MARK in line.body:
        return line
    return line._replace(
        is_plain=False, body=b'%b,"cache_control":%b}}' % (line.body[:-2], bytes(_MARK))
    )


def _head(params: _Fields, blocks: Sequence[_Block]) -> str:
    """The digest of all that two requests must share to be compared."""
    tools = len(_items(params.get("tools")))
    first = tools + 1 if "system" in params or not tools else tools
    hashed = hashlib.sha256(b"".join(block.digest for block in blocks[:first]))
    for name, value in sorted(params.items()):
        if name not in _NOT_READ:
            hashed.update(b"%b\0%b\0" % (name.encode(), bytes(value)))
    return hashed.hexdigest()[:16]


def _common(some: Sequence[_Block], others: Sequence[_Block]) -> int:
    """How many blocks both begin with."""
    for number, (one, other) in enumerate(zip(some, others, strict=False)):
        if one.digest != other.digest:
            return number
    return min(len(some), len(others))


def _blocks(params: _Fields) -> Iterator[tuple[bytes, bytes]]:
    """Tools, blocks of the system prompt and of the messages: where each stands, and itself."""
    for key in ("tools", "system"):
        for item in _items(params.get(key)):
            yield key.encode(), bytes(item)
    for message in _items(params.get("messages")):
        fields = _object.decode(message)
        for item in _items(fields["content"]):
            yield bytes(fields["role"]), bytes(item)


def _block(placed: tuple[bytes, bytes]) -> _Block:
    place, body = placed
    digest = hashlib.sha256(b"%b\0%b" % placed).digest()[:8]
    return _Block(digest, len(body), _takes_mark(place, body))


def _takes_mark(place: bytes, body: bytes) -> bool:
    """Whether the API accepts a mark here; it refuses those on thinking and on empty texts."""
    if not body.startswith(b"{"):
        return place != b"tools" and body != b'""' and body.startswith(b'"')
    fields = _object.decode(body)
    if place == b"tools":
        return "defer_loading" not in fields
    kind = bytes(fields.get("type", Raw(b"")))
    return kind in _MARKED_TYPES and bytes(fields.get("text", Raw(b"x"))) != b'""'


def _items(value: Raw | None) -> list[Raw]:
    """The items of a list; a text is its only item. The API refuses other values."""
    start = b"" if value is None else bytes(value)[:1]
    if value is None or start not in b'["':
        return []
    return _list.decode(value) if start == b"[" else [value]


def _with_mark(params: _Fields, count: int) -> _Fields:
    """The params with a mark on the block of that number, from 1."""
    for key in ("tools", "system"):
        items = _items(params.get(key))
        if count <= len(items):
            return params | {key: _mark(items, count - 1)}
        count -= len(items)
    messages = _items(params["messages"])
    for number, message in enumerate(messages):
        fields = _object.decode(message)
        items = _items(fields["content"])
        if count <= len(items):
            messages[number] = Raw(_encode(fields | {"content": _mark(items, count - 1)}))
            break
        count -= len(items)
    return params | {"messages": Raw(_encode(messages))}


def _mark(items: list[Raw], index: int) -> Raw:
    """The list with the mark on one of its blocks."""
    block = items[index]
    is_text = bytes(block).startswith(b'"')
    fields = {"type": Raw(b'"text"'), "text": block} if is_text else _object.decode(block)
    items[index] = Raw(_encode(fields | {"cache_control": _MARK}))
    return Raw(_encode(items))
