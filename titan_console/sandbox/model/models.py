"""The models that the sandbox knows, and what each of them allows."""

from dataclasses import dataclass

LONG_OUTPUT_BETA = "output-300k-2026-03-24"
LONG_OUTPUT_TOKENS = 300_000


@dataclass(frozen=True)
class Model:
    """The properties of one model at the API."""

    id: str
    max_output: int = 128_000
    long_output: bool = False
    cache_minimum: int = 1024
    # From the 4.6 generation on a request may name its region.
    regions: bool = True
    fast: bool = False

    def ceiling(self, betas: frozenset[str]) -> int:
        """The largest max_tokens that this model takes in a batch."""
        return (
            LONG_OUTPUT_TOKENS
            if self.long_output and LONG_OUTPUT_BETA in betas
            else self.max_output
        )


_OLD_OUTPUT = 64_000

MODELS = (
    Model("claude-fable-5-2", cache_minimum=2048, fast=True),
    Model("claude-fable-5-1", cache_minimum=2048),
    Model("claude-fable-5", cache_minimum=2048),
    Model("claude-mythos-5-2", cache_minimum=2048, fast=True),
    Model("claude-mythos-5-1", cache_minimum=2048),
    Model("claude-mythos-5", cache_minimum=2048),
    Model("claude-mythos-preview", cache_minimum=2048),
    Model("claude-opus-5-5", long_output=True, fast=True),
    Model("claude-opus-5", long_output=True, fast=True),
    Model("claude-sonnet-5-5", long_output=True),
    Model("claude-sonnet-5", long_output=True),
    Model("claude-haiku-5-5", long_output=True, cache_minimum=512),
    Model("claude-opus-4-8", long_output=True, cache_minimum=4096, fast=True),
    Model("claude-opus-4-7", long_output=True, cache_minimum=4096),
    Model("claude-opus-4-6", long_output=True, cache_minimum=4096),
    Model("claude-sonnet-4-6", long_output=True, cache_minimum=2048),
    Model(
        "claude-opus-4-5-20251101",
        max_output=_OLD_OUTPUT,
        cache_minimum=4096,
        regions=False,
    ),
    Model(
        "claude-sonnet-4-5-20250929",
        max_output=_OLD_OUTPUT,
        regions=False,
    ),
    Model(
        "claude-haiku-4-5-20251001",
        max_output=_OLD_OUTPUT,
        cache_minimum=4096,
        regions=False,
    ),
)

_ALIASES = {
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}

_BY_ID = {model.id: model for model in MODELS}


def find_model(name: str) -> Model | None:
    """The model behind a name; an alias resolves to the dated id that answers carry."""
    return _BY_ID.get(_ALIASES.get(name, name))
