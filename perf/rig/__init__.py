"""Data and servers that the benchmarks need, made on the spot."""
