"""DelimitedText on the conformance kit."""

from __future__ import annotations

from typing import ClassVar

from crossdock.contract import FormatContract
from crossdock_connectors.formats.delimited import SPEC


class TestDelimitedText(FormatContract):
    spec = SPEC
    says_where_it_ends = False


class TestDelimitedGzip(TestDelimitedText):
    """A compressed file says where it ends."""

    options: ClassVar = {"compression": "gzip"}
    says_where_it_ends = True


class TestTabsAllQuoted(TestDelimitedText):
    """Tabs, every value in quotes, Windows line ends."""

    options: ClassVar = {"delimiter": "tab", "quoting": "all", "line_ending": "crlf"}


class TestDelimitedBzip2(TestDelimitedText):
    """Compressed parts that are joined."""

    options: ClassVar = {"compression": "bzip2"}
    says_where_it_ends = True


class TestDelimitedZip(TestDelimitedText):
    """An archive, which one writer writes."""

    options: ClassVar = {"compression": "zipDeflate"}
    says_where_it_ends = True


class TestForeignDialect(TestDelimitedText):
    """Delimiters, quotes and row ends that Arrow does not have."""

    options: ClassVar = {"delimiter": "||", "quote": "'", "row_delimiter": "~"}
