"""Files beside the database: request bodies, results, archives, fallback files."""
