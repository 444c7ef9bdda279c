"""Values of one type as values of another, by .NET's rules: vectorised, a column of a batch at a time.

``matrix`` says what becomes what; the other modules do it.
"""

from .settings import ConversionSettings

__all__ = ["ConversionSettings"]
