"""Who may do what: bearer tokens, roles, and those who issue tokens."""
