"""SQL for the model of a request or an attempt, and the batches that hold requests of a model.

A request stores its model only where it differs from that of its submission.
"""

# Of a request `r`: the model that its current body names.
REQUEST_MODEL = (
    "coalesce((SELECT me.model FROM edits me WHERE me.id = r.edit_id), r.model,"
    " (SELECT ms.model FROM submissions ms WHERE ms.id = r.submission_id))"
)
# Of an attempt `a` in a batch `b`: the model that its body names.
REQUESTED_MODEL = (
    "coalesce((SELECT coalesce((SELECT me.model FROM edits me WHERE me.id = a.edit_id), mr.model)"
    " FROM requests mr WHERE mr.id = a.request_id), b.model)"
)
# Of an attempt `a` in a batch `b`: the model that answered, else the one that its body names.
ATTEMPT_MODEL = f"coalesce(a.model, {REQUESTED_MODEL})"
