"""What ODBC needs of the machine: its driver manager, drivers, and their libraries."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from crossdock import Check, MissingDependencyError

from .odbc_drivers import odbc

_INSTALL = "install the database's own ODBC driver; odbcinst -q -d lists those that there are"


def checks() -> Iterator[Check]:
    """Nothing where the extra is not installed, which is said elsewhere."""
    if find_spec("pyodbc") is None:
        return
    try:
        names = sorted(odbc().drivers())
    except MissingDependencyError as error:
        yield Check("ODBC", "warning", *error.message.partition("; ")[::2])
        return
    if names:
        yield Check("ODBC", "ok", f"drivers: {', '.join(names)}")
    else:
        yield Check("ODBC", "warning", "the driver manager is there and no driver", _INSTALL)
