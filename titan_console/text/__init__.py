"""Records as text: formats, filters, labels, charts. Plain values, no Textual."""
