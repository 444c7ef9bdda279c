"""ORC on the conformance kit."""

from __future__ import annotations

from typing import ClassVar

from crossdock.contract import FormatContract
from crossdock_connectors.formats.orc import SPEC


class TestOrc(FormatContract):
    spec = SPEC


class TestOrcSmallStripes(TestOrc):
    """Many stripes, in a file whose footer is compressed."""

    options: ClassVar = {"compression": "zlib", "stripe_bytes": 64 << 10}
