"""XML on the part of the conformance kit that a format without a writer can pass."""

from __future__ import annotations

from lxml import etree

from crossdock.contract import SpecContract
from crossdock_connectors.formats.xml import SPEC


class TestXml(SpecContract):
    spec = SPEC
    driver_errors = (etree.LxmlError("no XML"),)
