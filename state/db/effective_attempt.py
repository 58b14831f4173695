"""The effective attempt of a request: one definition for console, CLI, results and export."""

# The succeeded attempt that settled the request, else the latest that has ended, else the latest.
# While a failed request is being replayed, its failure still counts.
JOIN = (
    "LEFT JOIN attempts a ON a.request_id = r.id AND a.batch_id = coalesce(r.settled_by,"
    " (SELECT max(m.batch_id) FROM attempts m WHERE m.request_id = r.id"
    " AND m.outcome IS NOT NULL),"
    " (SELECT max(m.batch_id) FROM attempts m WHERE m.request_id = r.id))"
)
