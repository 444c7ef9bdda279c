"""Azure Storage."""
