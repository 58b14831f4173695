"""How work comes in: submit, options, dry run, external calls, fallback files."""
