"""Data Factory's pipelines: what their JSON says, and what it means at run time."""
