"""Tables in, tables out: readers, prompt template, row ids, answers, writers."""
