"""Pipelines that tests make and run."""
