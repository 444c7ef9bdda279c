"""JSON lines on the conformance kit."""

from __future__ import annotations

from typing import ClassVar

from crossdock.contract import FormatContract
from crossdock_connectors.formats.jsonlines import SPEC


class TestJsonLines(FormatContract):
    spec = SPEC
    says_where_it_ends = False


class TestJsonLinesGzip(TestJsonLines):
    """A compressed file says where it ends."""

    options: ClassVar = {"compression": "gzip"}
    says_where_it_ends = True


class TestJsonArray(FormatContract):
    """One array, which says where it ends."""

    spec = SPEC
    options: ClassVar = {"file_pattern": "arrayOfObjects"}


class TestJsonUtf16(TestJsonLines):
    options: ClassVar = {"encoding": "utf-16"}
