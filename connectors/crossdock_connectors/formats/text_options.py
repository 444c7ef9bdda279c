"""Options that formats of texts have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from .codec_names import codec_name


def _readable(text: str) -> str:
    from .column_types import parse_types  # imports pyarrow

    parse_types(text)
    return text


ColumnTypes = Annotated[str, AfterValidator(_readable)]
Encoding = Annotated[str, AfterValidator(codec_name)]
