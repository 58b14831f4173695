"""The Message Batches API: the protocol, the client, and how its responses are parsed."""
