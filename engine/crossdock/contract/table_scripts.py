"""Checks of a database that runs what a user writes (``Scriptable``)."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from ..errors import CrossdockError, NotSupportedError
from ..spi import Parameter, Scriptable, Source
from .table_base import TableBase, rows


class ScriptChecks(TableBase):
    """Declared: statements do what they say, once, and values stay values. Not declared: not offered."""

    def test_script(self, source: Source[Any], url: str) -> None:
        if not isinstance(source, Scriptable):
            offered = [name for name in ("script", "call") if hasattr(source, name)]
            assert not offered, f"{', '.join(offered)}() without the ability Scriptable is never called"
            return
        self.seed(url, "t", rows(0, 5))
        with closing(self.open_source(url)) as opened:
            assert isinstance(opened, Scriptable)
            found = opened.script("SELECT id, name FROM t WHERE id < 2 ORDER BY id")
            assert [table.to_pylist() for table in found.tables] == [
                [{"id": 0, "name": None}, {"id": 1, "name": rows(1, 1)["name"][0].as_py()}]
            ]
            first = opened.script("SELECT id FROM t WHERE id > 1 ORDER BY id", rows=1)
            assert first.tables[0].slice(0, 1).to_pylist() == [{"id": 2}]
            changed = opened.script(
                "DELETE FROM t WHERE id >= @from AND id < @to; DELETE FROM t WHERE id = @from + 99",
                [Parameter("from", 1, "int64"), Parameter("to", 3, "int64")],
            )
            assert changed.affected == 2, f"it changed 2 rows and counted {changed.affected}"
            assert not changed.tables
        assert self.ids(url, "t") == [0, 3, 4]

    def test_values_of_a_script(self, source: Source[Any], url: str) -> None:
        """A value is no SQL, whatever is in it; what looks like a parameter within a text is none."""
        if not isinstance(source, Scriptable):
            return
        self.seed(url, "t", rows(0, 5))
        strange = "o'hara'; DELETE FROM t; -- @other ? żółć"
        given = [Parameter("value", strange), Parameter("other", "x"), Parameter("none", None, "int64")]
        with closing(self.open_source(url)) as opened:
            assert isinstance(opened, Scriptable)
            opened.script("UPDATE t SET name = @value WHERE id = 1", given)
            opened.script("UPDATE t SET name = '@other' WHERE id = 2", given)
            opened.script("UPDATE t SET name = @none WHERE id = 3", given)
        found = {row["id"]: row["name"] for row in self.fetch(url, "t").to_pylist()}
        assert [found[number] for number in (1, 2, 3)] == [strange, "@other", None]
        assert len(found) == 5

    def test_scripts_that_fail(self, source: Source[Any], url: str) -> None:
        if not isinstance(source, Scriptable):
            return
        self.seed(url, "t", rows(0, 3))
        with closing(self.open_source(url)) as opened:
            assert isinstance(opened, Scriptable)
            for wrong in ("SELEC 1", "DELETE FROM never_was"):
                with self.raises(CrossdockError):
                    opened.script(wrong)
            with self.raises(CrossdockError, NotSupportedError):
                opened.call("never_was")
        assert self.ids(url, "t") == [0, 1, 2]
