"""For agents: an MCP server on the ledger, and a skill that says how to use it."""
