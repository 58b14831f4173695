"""The database itself: connection, schema, ledger, reader. Only this package imports the driver."""
