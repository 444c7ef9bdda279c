"""Parquet on the conformance kit."""

from __future__ import annotations

from crossdock.contract import FormatContract
from crossdock_connectors.formats.parquet import SPEC


class TestParquet(FormatContract):
    spec = SPEC
