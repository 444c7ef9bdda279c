"""Triggers: what starts pipelines at times and for windows of time, once for each."""
