"""Excel on the part of the conformance kit that a format without a writer can pass."""

from __future__ import annotations

from python_calamine import CalamineError

from crossdock.contract import SpecContract
from crossdock_connectors.formats.excel import SPEC


class TestExcel(SpecContract):
    spec = SPEC
    driver_errors = (CalamineError("no workbook"),)
