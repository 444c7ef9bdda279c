"""Options of delimited text."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from .compressed_config import CompressedConfig
from .text_options import ColumnTypes, Encoding

Quoting = Literal["needed", "all", "none"]


class DelimitedConfig(CompressedConfig):
    """Options of delimited text, for reading and writing."""

    delimiter: str | None = Field(
        None,
        description="what is between values; by default a tab for .tsv, | for .psv, else a comma; empty: a "
        "line is one value, taken as it is",
    )
    quote: str = Field('"', description="character around values; empty: quotes are ordinary characters")
    escape: str = Field(
        "", description="character before a special one (backslash); by default a quote is written twice"
    )
    escapes: Literal["any", "quotes"] = Field(
        "any",
        description="before what the escape counts: any character, or quotes only; before others it stays",
    )
    header: bool = Field(True, description="whether the first line names the columns")
    encoding: Encoding = Field("utf-8", description="name of the text encoding")
    null_value: str = Field(
        "",
        description="unquoted text that stands for null; several separated by |, or a JSON list of them; the "
        "first is written",
    )
    skip_lines: int = Field(0, ge=0, description="lines to skip at the start of each file read")
    types: ColumnTypes = Field(
        "", description="types that are not inferred, as a:string,b:decimal(10,2),c:date"
    )
    infer: bool = Field(True, description="whether to infer types from a sample; else all columns are text")
    multiline: Literal["auto", "true", "false"] = Field(
        "auto", description="whether values may hold newlines; false lets a large file be split unread"
    )
    sample_bytes: int = Field(
        1 << 20, ge=1024, description="bytes at the start of a file from which types are inferred"
    )
    quoting: Quoting = Field(
        "needed", description="what is written in quotes: text (needed), every value (all), nothing (none)"
    )
    line_ending: Literal["lf", "crlf"] = Field("lf", description="end of the lines that are written")
    row_delimiter: str = Field(
        "", description="what ends a row, where that is not a line end; line_ending is then of no matter"
    )

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab(cls, value: object) -> object:
        return "\t" if value in ("\\t", "tab") else value

    @field_validator("multiline", mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        return str(value).lower() if isinstance(value, bool) else value

    @field_validator("delimiter", "quote", "escape")
    @classmethod
    def _no_line_end(cls, value: str | None) -> str | None:
        if value and set(value) & set("\r\n\0"):
            raise ValueError("must not hold a line end")
        return value

    @model_validator(mode="after")
    def _distinct(self) -> DelimitedConfig:
        used = [c for c in (self.delimiter, self.quote, self.escape, self.row_delimiter) if c]
        if len(set(used)) < len(used):
            raise ValueError("delimiter, quote and escape must differ; a doubled quote needs no escape")
        return self
