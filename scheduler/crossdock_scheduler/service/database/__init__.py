"""The service's state in a relational database: SQLite beside it, or PostgreSQL for many replicas."""

from .engine import Database
from .tables import metadata

__all__ = ["Database", "metadata"]
