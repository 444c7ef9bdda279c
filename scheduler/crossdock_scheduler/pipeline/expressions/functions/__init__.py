"""The functions of the language, by subject. Importing this package declares them all."""

from . import collections, contexts, conversion, dates, encoding, logic, math, strings, xml

__all__ = ["collections", "contexts", "conversion", "dates", "encoding", "logic", "math", "strings", "xml"]
