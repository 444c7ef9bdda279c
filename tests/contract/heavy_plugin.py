"""Imports a library at once, and does not say in ``requires`` that it needs one."""

from __future__ import annotations

import fastavro

from crossdock import CrossdockError, DataError


def classify(error: BaseException) -> CrossdockError | None:
    return DataError(str(error)) if isinstance(error, fastavro.schema.SchemaParseException) else None
