"""A connection through any ADBC driver, in autocommit mode: what the databases that have one share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from crossdock import CrossdockError


class AdbcConnection(ABC):
    """One connection, not for several threads at once. ``shown`` names the database in messages."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self._connection: Any = None
        """The driver's own; a subclass opens it within ``explained``."""

    @abstractmethod
    def fault(self, error: BaseException) -> CrossdockError | None:
        """The crossdock error for one of the driver's; None for others."""

    @contextmanager
    def explained(self) -> Iterator[None]:
        """A block in which the driver's errors become crossdock's."""
        try:
            yield
        except Exception as error:
            if mapped := self.fault(error):
                raise mapped from error
            raise

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor of the driver, in whose block the driver's errors become crossdock's."""
        with self.explained(), self._connection.cursor() as cursor:
            yield cursor

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement to its end; returns its rows."""
        with self.cursor() as cursor:
            cursor.execute(sql)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def value(self, sql: str) -> Any:
        """The first column of the first row; None where there is no row."""
        rows = self.run(sql)
        return rows[0][0] if rows else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
