"""DelimitedText on the conformance kit."""

from __future__ import annotations

from crossdock.contract import FormatContract
from crossdock_connectors.formats.delimited import SPEC


class TestDelimitedText(FormatContract):
    spec = SPEC
    says_where_it_ends = False
