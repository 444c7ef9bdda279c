"""Parquet on the conformance kit."""

from __future__ import annotations

from crossdock_connectors.formats.parquet import SPEC

from crossdock.contract import FormatContract


class TestParquet(FormatContract):
    spec = SPEC
