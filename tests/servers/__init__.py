"""Servers that tests run: real ones where they exist, small ones where they do not."""
