"""One poll: `poll_run` runs the steps of `poll_steps`, and `poll_summary` says what they did."""
