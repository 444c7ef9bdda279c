"""The tests' server of SQL Server's protocol, so quick that it is the client that takes the time: it has few
rows and gives them many times over, from memory; what a bulk copy sends is taken and forgotten.
``python -m perf.rig.mssql_server DATABASE CERTIFICATE``.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.servers import tds, tds_wire

from .mssql import COLUMNS, KEPT, ROWS, TABLE

_answers: dict[str, bytes] = {}


class _Quick(tds._Client):
    def _batch(self, sql: str, variables: Any = None) -> None:
        if TABLE not in sql or "sys." in sql or not sql.startswith("SELECT") or self._session.only_metadata:
            super()._batch(sql, variables)
            return
        if sql not in _answers:
            result = next(iter(self._session.run(sql, variables)))
            if len(result.columns) < COLUMNS:
                super()._batch(sql, variables)
                return
            kinds = [kind for _, kind in result.columns]
            rows = [tds_wire.row(kinds, values) for values in result.rows]
            times = ROWS // KEPT
            _answers[sql] = (
                tds_wire.column_metadata(result.columns) + b"".join(rows) * times
                + tds_wire.done(0, len(rows) * times)
            )  # fmt: skip
        self._wire.answer(_answers[sql])

    def _bulk(self, data: bytes) -> None:
        # The driver counts by itself.
        self._wire.answer(tds_wire.done(0, 0))


if __name__ == "__main__":
    tds._Client = _Quick  # type: ignore[misc]
    tds.main(*sys.argv[1:])
