"""Parameters of procedures as Data Factory writes them, with their types."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from crossdock_connectors.sql.mssql_config import MssqlConfig


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2024-01-02", "2024-01-02T00:00:00.000"),
        ("2024-01-02 03:04:05", "2024-01-02T03:04:05.000"),
        ("2024-01-02T03:04:05.1234567", "2024-01-02T03:04:05.123456"),
    ],
)
def test_moments_do_not_depend_on_the_session(given: str, kept: str) -> None:
    config = MssqlConfig.model_validate({"parameters": {"d": {"value": given, "type": "DateTime"}}})
    assert config.parameters == {"d": kept}


def test_other_types_and_what_is_no_moment() -> None:
    config = MssqlConfig.model_validate(
        {"parameters": '{"n": {"value": "7", "type": "Int"}, "t": "2024-01-02"}'}
    )
    assert config.parameters == {"n": "7", "t": "2024-01-02"}
    with pytest.raises(ValidationError, match="the moment d is not written as"):
        MssqlConfig.model_validate({"parameters": {"d": {"value": "1/2/2024", "type": "DateTime"}}})
