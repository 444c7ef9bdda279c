"""Cutting a table or a query into conditions that together hold every row once."""

# ruff: noqa: S608 - names go through Traits.quote(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossdock import ConfigError, DataError, NotFoundError, NotSupportedError, SchemaMismatchError

from .odbc_connection import Connection
from .ranges import by_sample, evenly, predicates, restricted

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 20_000
_ENOUGH = 1000
# Neighbours share pages: of so many rows that are read one is taken.
_SPREAD = 20
_RAND = 1 << 17  # SQL_FN_NUM_RAND


@dataclass(frozen=True, slots=True)
class Key:
    """The column that ranges are over: its name as SQL, and what its values are in Arrow."""

    sql: str
    type: pa.DataType

    def parsed(self, text: str) -> Any:
        """A bound that was given. Raises ConfigError."""
        import pyarrow.types as t

        try:
            if t.is_timestamp(self.type):
                return datetime.fromisoformat(text)
            return date.fromisoformat(text) if t.is_date(self.type) else int(text)
        except ValueError:
            raise ConfigError(
                f"partition_lower_bound and partition_upper_bound are keys of {self.sql}, and {text!r} is no "
                f"{self.type}"
            ) from None


def bounded(key: Key, low: str, high: str, wanted: int) -> list[str]:
    """Conditions of equally wide ranges between bounds; what is beyond is in the first and the last."""
    first, last = key.parsed(low), key.parsed(high)
    if first > last:
        raise ConfigError("partition_lower_bound is above partition_upper_bound")
    return predicates(key.sql, literals(evenly(first, last, wanted)))


def cut(connection: Connection, key: Key, rows: str, wanted: int) -> list[str]:
    """Conditions of ranges with about equally many rows each; equally wide ones where the database cannot
    choose rows by chance. ``rows`` goes behind FROM."""
    everything = restricted(rows)
    low, high, count = connection.run(f"SELECT MIN({key.sql}), MAX({key.sql}), COUNT(*) FROM {everything}")[0]
    if low is None:
        return [""]
    sample = _sampled(connection, key, rows, int(count))
    if not sample:
        return predicates(key.sql, literals(evenly(low, high, wanted)))
    keys = [value for value in sample if value is not None]
    # Without a key they are in the first range, which would have more than its share.
    apart = 2 * wanted * (len(sample) - len(keys)) > len(sample)
    return predicates(key.sql, literals(by_sample(keys, wanted - apart)), apart=apart)


def _sampled(connection: Connection, key: Key, rows: str, count: int) -> list[Any]:
    """The keys of some rows, each as likely as another; of few rows all; none where that cannot be had."""
    if count <= _SPREAD * _SAMPLE // 4:
        return [value for (value,) in connection.run(f"SELECT {key.sql} FROM {restricted(rows)}")]
    share = _SAMPLE / count
    for chosen in _choices(connection, key, rows, share):
        try:
            # Some databases draw once for all rows.
            expected = connection.value(f"SELECT COUNT(*) FROM {chosen}")
            if not _ENOUGH <= int(expected) <= 10 * _SAMPLE:
                continue
            return [value for (value,) in connection.run(f"SELECT {key.sql} FROM {chosen}")]
        except (ConfigError, DataError, NotFoundError, NotSupportedError, SchemaMismatchError):
            continue  # a view, or a server that does not know this after all
    return []


def _choices(connection: Connection, key: Key, rows: str, share: float) -> Iterator[str]:
    """What goes behind FROM for a share of the rows, the fastest first."""
    known = connection.traits.known
    drawn = known.drawn or ("{{fn RAND()}} < {share}" if connection.traits.functions & _RAND else "")
    if not drawn:
        return
    pages = min(1.0, share * _SPREAD)
    if known.pages and not rows.startswith("("):
        chance = drawn.format(share=f"{share / pages:.9f}", key=key.sql)
        yield f"{rows} {known.pages.format(percent=f'{100 * pages:.6f}')} WHERE {chance}"
    yield restricted(rows, drawn.format(share=f"{share:.9f}", key=key.sql))


def literals(bounds: list[Any]) -> list[str]:
    """Boundaries as SQL, in the escapes of ODBC."""
    # Moments to the millisecond: some databases take no more digits.
    shorter = {
        bound.replace(microsecond=bound.microsecond // 1000 * 1000) if isinstance(bound, datetime) else bound
        for bound in bounds
    }
    return [_literal(bound) for bound in sorted(shorter)]


def _literal(bound: Any) -> str:
    if isinstance(bound, datetime):
        digits = "milliseconds" if bound.microsecond else "seconds"
        return f"{{ts '{bound.isoformat(sep=' ', timespec=digits)}'}}"
    if isinstance(bound, date):
        return f"{{d '{bound.isoformat()}'}}"
    return format(bound, "f") if isinstance(bound, Decimal) else str(int(bound))
