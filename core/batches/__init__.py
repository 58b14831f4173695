"""A batch from queued to collected: send, recover, list, collect, run synchronously."""
