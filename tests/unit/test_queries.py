"""What is taken as a query to read from."""

from __future__ import annotations

import pytest

from crossdock import ConfigError
from crossdock_connectors.queries import one_select


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "(select 1) union (select 2)",
        "-- of the month\nWITH a AS (SELECT 1 AS n) SELECT n FROM a",
        "/* why; */ SELECT ';' AS a, \"b;c\" FROM t -- ; DELETE FROM t",
        "SELECT 'it''s; x' AS a, [a]];b] FROM [x;y]",
        "SELECT [delete], 'DROP TABLE t' AS updated_into FROM t OPTION (MERGE JOIN)",
    ],
)
def test_one_select(query: str) -> None:
    assert one_select(query, t_sql=True) == query
    assert one_select(f" {query} ;\n; ".replace("[a]];b]", "[a]]"), t_sql=True).startswith(query[:9].strip())


def test_texts_of_postgresql() -> None:
    for query in ("SELECT $$a;b$$, $x$;$$;$x$", r"SELECT E'it\'s; x' AS a", "SELECT arr[1] FROM t"):
        assert one_select(query) == query


def test_words_and_none() -> None:
    assert one_select("VALUES (1)", "values") == "VALUES (1)"
    assert one_select("") == ""
    for query in ("VALUES (1)", "DELETE FROM t", "EXEC p", "-- SELECT", "'SELECT'", "("):
        with pytest.raises(ConfigError, match="only a SELECT"):
            one_select(query)


@pytest.mark.parametrize(
    "query",
    ["SELECT 1; DELETE FROM t", "SELECT ';' AS a;DROP TABLE t;", "SELECT 1;;(SELECT 2)",
     "SELECT 1 -- it's\n; DELETE FROM t -- '"],
)  # fmt: skip
def test_a_second_statement(query: str) -> None:
    with pytest.raises(ConfigError, match="second statement"):
        one_select(query)


@pytest.mark.parametrize("query", ["SELECT 1 AS a DELETE FROM t", "SELECT * INTO copied FROM t",
                                   "select 1 as a exec p"])  # fmt: skip
def test_t_sql_needs_no_semicolon(query: str) -> None:
    with pytest.raises(ConfigError, match=r"without (DELETE|INTO|EXEC)"):
        one_select(query, t_sql=True)
