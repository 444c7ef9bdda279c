"""Options of Excel workbooks."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from .compressed_config import CompressedConfig
from .text_options import ColumnTypes

_RANGE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})(?::([A-Z]{1,3})([1-9][0-9]{0,6}))?", re.IGNORECASE)


class ExcelConfig(CompressedConfig):
    """Options of Excel workbooks."""

    sheet_name: str = Field("", description="name of the sheet; by default the one of sheet_index")
    sheet_index: int = Field(0, ge=0, description="number of the sheet, counted from 0")
    range: str = Field(
        "", description="cells to read, as A3:H5, or A3 for all from there to the right and below"
    )
    header: bool = Field(True, description="whether the first row names the columns (firstRowAsHeader)")
    null_value: str = Field("", description="text that stands for null, beside empty cells")
    types: ColumnTypes = Field(
        "", description="types that are not inferred, as a:string,b:decimal(10,2),c:date"
    )

    @field_validator("range")
    @classmethod
    def _cells(cls, value: str) -> str:
        if value:
            corners(value)
        return value


def corners(text: str) -> tuple[int, int, int | None, int | None]:
    """Row and column of the first and the last cell, counted from 0; None: as far as the sheet goes."""
    match = _RANGE.fullmatch(text.replace("$", "").strip())
    if not match:
        raise ValueError("must be cells as A3:H5, or the first one as A3")
    top, left = int(match[2]) - 1, column_number(match[1])
    if match[3] is None:
        return top, left, None, None
    bottom, right = int(match[4]) - 1, column_number(match[3])
    if bottom < top or right < left:
        raise ValueError("must begin with the cell at the top left")
    return top, left, bottom, right


def column_number(letters: str) -> int:
    """The number of a column from its letters, counted from 0."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
