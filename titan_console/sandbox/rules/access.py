"""Credentials, workspaces, API versions and beta headers of a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from titan_console.sandbox.model.http_messages import ErrorResponse, HttpRequest
from titan_console.sandbox.model.ids import digest, make_id
from titan_console.sandbox.rules.rows import CallOptions

VERSIONS = frozenset({"2023-01-01", "2023-06-01", "2026-10-21"})
DEFAULT_WORKSPACE = "default"
# The one key that opens nothing, where any other does.
INVALID_KEY = "sk-ant-invalid"

_BETAS_TEXT = """
admin-user-sign-out-2026-10-08 advisor-tool-2026-03-01 agent-memory-2026-07-22
analytics-usage-cost-2026-08-24 cache-diagnosis-2026-04-07
ce-claude-code-managed-settings-2026-10-06 ce-plugins-2026-09-01 ce-user-management-2026-07-13
code-execution-2025-05-22 compact-2026-01-12 compact-2026-09-04 computer-use-2024-10-22
computer-use-2025-01-24 computer-use-2025-11-24 context-1m-2025-08-07
context-management-2025-06-27 dev-full-thinking-2025-05-14 dreaming-2026-04-21
experimental-claude-tag-2026-10-21 extended-cache-ttl-2025-04-11 fallback-credit-2026-06-01
fallback-credit-2026-07-01 fast-mode-2026-02-01 files-api-2025-04-14 inline-tools-2026-09-15
interleaved-thinking-2025-05-14 managed-agents-2026-04-01 mcp-client-2025-04-04
mcp-client-2025-11-20 mcp-client-2026-09-15 mcp-tunnels-2026-06-22 message-batches-2024-09-24
message-threads-2026-08-12 mid-conversation-output-config-2026-07-01
mid-conversation-system-clear-at-2026-08-21 mid-conversation-tool-changes-2026-07-01
model-context-window-exceeded-2025-08-26 oauth-2025-04-20 oidc-federation-2026-04-01
output-128k-2025-02-19 output-300k-2026-03-24 pdfs-2024-09-25 prompt-caching-2024-07-31
server-side-fallback-2026-06-01 server-side-fallback-2026-07-01 skills-2025-10-02
spend-limit-reads-2026-09-26 structured-outputs-2025-11-13 task-budgets-2026-03-13
telemetry-destinations-2026-08-11 thinking-binding-controls-2026-08-01
thinking-display-updates-2026-08-18 thinking-token-count-2026-05-13 token-counting-2024-11-01
token-efficient-tools-2025-02-19 user-profiles-2026-03-24 user-profiles-2026-08-18
user-profiles-2026-09-04 user-profiles-billing-2026-10-01 webhooks-2026-10-07
"""
BETAS = frozenset(_BETAS_TEXT.split())


@dataclass(frozen=True)
class Access:
    """Which keys open which workspace; no keys at all means that any key opens the default one."""

    keys: Mapping[str, str] | None
    seed: int

    def headers(self, workspace: str) -> dict[str, str]:
        """The organization and workspace headers; sent only for a known key."""
        return {
            "anthropic-organization-id": self._organization(),
            "anthropic-workspace-id": make_id("wrkspc", self.seed, workspace),
        }

    def _organization(self) -> str:
        number = digest("organization", self.seed) << 64 | digest("id", self.seed)
        return str(UUID(int=number, version=4))

    def workspace(self, request: HttpRequest) -> str:
        """The name of the caller's workspace."""
        key = request.header("x-api-key") or _key_of(request.header("authorization"))
        if not key:
            raise ErrorResponse(401, "x-api-key header is required")
        if self.keys is None and key != INVALID_KEY:
            return DEFAULT_WORKSPACE
        if self.keys is None or key not in self.keys:
            raise ErrorResponse(401, "API key is invalid.")
        return self.keys[key]


def _key_of(authorization: str) -> str:
    """The token, or the key id of a signature of AWS, which is not verified here."""
    scheme, _, value = authorization.partition(" ")
    if scheme == "AWS4-HMAC-SHA256":
        return value.partition("Credential=")[2].partition("/")[0]
    return value.strip() if scheme.lower() == "bearer" else ""


def read_call_options(request: HttpRequest, *, batch: bool) -> CallOptions:
    """The API version and the betas that a call asks for."""
    version = request.header("anthropic-version")
    if not version:
        raise ErrorResponse(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise ErrorResponse(400, f'anthropic-version: "{version}" is not a valid version')
    named = (name.strip() for name in request.header("anthropic-beta").split(","))
    betas = frozenset(name for name in named if name)
    unknown = next(iter(sorted(betas - BETAS)), "")
    if unknown:
        raise ErrorResponse(
            400,
            f"Unexpected value(s) `{unknown}` for the `anthropic-beta` header. Please consult our"
            " documentation at docs.claude.com or try again without the header.",
        )
    return CallOptions(version, betas, batch)
