"""Benchmarks. Not part of the distribution."""
