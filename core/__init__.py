"""The engine: records requests, sends them in batches, collects and delivers their results.

Read `core.engine` (the facade), `core.intake.submit` and `core.poll.poll_steps` (what happens in
order), then `core.batches`. `core.api.client` is the only module that calls Anthropic.

Imports point one way: titan_console and titan_batch -> core -> state.
"""
