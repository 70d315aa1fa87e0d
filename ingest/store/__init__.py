"""The database: its schema, connections, and what other stages read from it."""
