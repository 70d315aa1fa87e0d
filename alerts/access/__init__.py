"""Who may do what: accounts, passwords, sessions, keys of machines, and the record of what was looked at."""
