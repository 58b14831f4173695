"""Operator commands, from the request to the outcome.

    CommandRequest   request.py       the action, its filter and options, as typed or clicked
      | plan         planner.py       finds the ids, keeps the eligible ones (eligibility.py),
      |                               stores edited bodies (body_edits.py), builds the preview
    Plan, Preview    preview.py       count, cost, deadlines, what is skipped and why
      |                               (as sentences: skipped_text.py)
      | submit       planner.py       one row in `commands`; the ids are frozen there
    Command          (ledger)         pending, and withdrawable until its delay is over
      | run_due      executor.py      each poll runs the next step of each command that is due
    outcome          (ledger)         done or failed, with one line

`auto_replay` and `deadline_guard` write commands of their own; the executor runs them the same way.
"""
