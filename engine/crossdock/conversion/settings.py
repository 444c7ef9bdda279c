"""How values are converted."""

from __future__ import annotations

from ..spi.record import record


@record(slots=True)
class ConversionSettings:
    """Data Factory's ``typeConversionSettings``. Formats are .NET's, for texts; empty: what is usual.

    ``truncate``: fractions, digits and offsets of time that the new type has no room for are cut off; else
    such a value cannot be converted. ``boolean_as_number``: the texts 1 and 0 are true and false.
    """

    truncate: bool = False
    boolean_as_number: bool = False
    date_time_format: str = ""
    date_time_offset_format: str = ""
    time_span_format: str = ""
    time_format: str = ""
    date_format: str = ""
    culture: str = ""
