"""Avro on the conformance kit."""

from __future__ import annotations

from typing import ClassVar

from fastavro.schema import SchemaParseException

from crossdock.contract import FormatContract
from crossdock_connectors.formats.avro import SPEC


class TestAvro(FormatContract):
    spec = SPEC
    driver_errors = (SchemaParseException("no schema"),)


class TestAvroSnappy(TestAvro):
    options: ClassVar = {"compression": "snappy"}


class TestAvroPlain(TestAvro):
    options: ClassVar = {"compression": "none"}
