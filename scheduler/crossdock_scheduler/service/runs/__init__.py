"""Runs of pipelines in the service: their records, who drives them, and how their jobs get to nodes."""
