"""The format on crossdock's conformance kit."""

from __future__ import annotations

from crossdock.contract import FormatContract
from crossdock.template.format import SPEC


class TestSample(FormatContract):
    spec = SPEC
