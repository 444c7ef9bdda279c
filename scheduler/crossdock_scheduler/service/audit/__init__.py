"""The audit log: every change, by whom, and whether it was done. Rows are chained, and are never changed."""

from .chain import Broken, Chain, Entry

__all__ = ["Broken", "Chain", "Entry"]
