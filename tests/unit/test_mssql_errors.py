"""What SQL Server's errors mean, by number and by the words of its drivers."""

from __future__ import annotations

import pytest
from mssql_python import exceptions

from crossdock import (
    AccessDeniedError,
    AuthError,
    ConfigError,
    CrossdockError,
    DataError,
    InternalError,
    NoSpaceError,
    NotFoundError,
    NotSupportedError,
    SchemaMismatchError,
    ThrottledError,
    TransientError,
)
from crossdock_connectors.sql.mssql_errors import FIRST_WAIT, bulk_fault, by_number, classify

# https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
AZURE = (926, 4060, 40197, 40501, 40613, 49918, 49919, 49920, 4221, 615, 10053)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1205, TransientError), (1222, TransientError), (3960, TransientError), (9002, NoSpaceError),
     (1105, NoSpaceError), (2627, DataError), (2601, DataError), (2628, DataError), (8152, DataError),
     (515, DataError), (18456, AuthError), (229, AccessDeniedError), (208, NotFoundError),
     (207, SchemaMismatchError), (11526, NotSupportedError), (3952, ConfigError), (4712, ConfigError),
     (3705, ConfigError), (3726, ConfigError), (102, ConfigError), (99999, InternalError)],
)  # fmt: skip
def test_by_number(number: int, kind: type[CrossdockError]) -> None:
    found = by_number(number, "so it is.", "host/db")
    assert type(found) is kind
    assert "(so it is" in str(found) or kind is InternalError
    if isinstance(found, TransientError):
        assert found.first_wait == 0


@pytest.mark.parametrize("number", AZURE)
def test_azure_asks_to_wait(number: int) -> None:
    found = by_number(number, "so it is", "host/db")
    assert isinstance(found, TransientError)
    assert found.first_wait == FIRST_WAIT >= 5
    assert isinstance(found, ThrottledError) == (number in (40501, 49918, 49919, 49920))


@pytest.mark.parametrize(
    ("words", "kind"),
    [("Login failed for user 'x'", AuthError), ("Client unable to establish connection", TransientError),
     ("SSL Provider: certificate verify failed", AuthError), ("Query timeout expired", TransientError),
     ('Cannot open database "x" requested by the login. The login failed.', NotFoundError),
     ("a new sentence", InternalError)],
)  # fmt: skip
def test_by_words(words: str, kind: type[CrossdockError]) -> None:
    found = classify(exceptions.OperationalError("it failed", f"[Microsoft][SQL Server]{words}"))
    assert type(found) is kind
    assert classify(RuntimeError("of somebody else")) is None


def test_of_the_bulk_copy() -> None:
    text = "Sql Error: 2628: Class 16: State 1: String or binary data would be truncated on x in y"
    assert type(bulk_fault(RuntimeError(text), "host/db")) is DataError
    assert type(bulk_fault(RuntimeError("connection reset by peer"), "host/db")) is TransientError
    assert type(bulk_fault(ValueError("no such column"), "host/db")) is SchemaMismatchError
    assert bulk_fault(KeyError("x"), "host/db") is None
