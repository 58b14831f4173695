"""The Message Batches API: the protocol, the client, and how its answers are read."""
