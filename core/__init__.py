"""The engine: decides what happens to every request, and does it.

Read in this order: `engine` (the facade), `submit`, `poll`, `recover`, `collect` (one verb
each), `policy` and `payload` (what they decide), `lane` (the way to a model) and
`anthropic_lane` (the only module that speaks to Anthropic).

Imports point one way: titan_console and titan_batch -> core -> state.
"""
