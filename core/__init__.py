"""The engine: decides what happens to every request, and does it.

Read in this order: `engine` (the facade), `submit`, `poll`, `recover`, `collect` (one verb
each), `policy` and `payload` (what they decide), `api` (the Batches API) and
`core.api.client` (the only module that speaks to Anthropic).

Imports point one way: titan_console and titan_batch -> core -> state.
"""
