"""Built-in tables."""
