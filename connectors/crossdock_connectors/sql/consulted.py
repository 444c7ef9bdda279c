"""What the sources of databases have in common beside their rows: they are looked into, and run scripts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from crossdock import Browsable, EntryPage, Parameter, Reached, Scriptable, ScriptResult


class Looks(Protocol):
    """A module that looks into a database through a connection."""

    def reached(self, connection: Any, /) -> Reached: ...

    def level(self, connection: Any, path: str, after: str | None, most: int, /) -> EntryPage: ...


class Scripts(Protocol):
    """A module that runs scripts and procedures through a connection."""

    def script(
        self, connection: Any, text: str, parameters: Sequence[Parameter], rows: int | None, /
    ) -> ScriptResult: ...

    def call(
        self, connection: Any, name: str, parameters: Sequence[Parameter], rows: int | None, /
    ) -> ScriptResult: ...


class Consulted(Browsable, Scriptable):
    """Each request has a connection of its own."""

    looks: ClassVar[Looks]
    scripts: ClassVar[Scripts]

    @abstractmethod
    def looking(self) -> AbstractContextManager[Any]:
        """A connection for looking around."""

    @abstractmethod
    def scripting(self) -> AbstractContextManager[Any]:
        """A connection for a script, at the isolation level that was asked for."""

    def test(self) -> Reached:
        with self.looking() as connection:
            return self.looks.reached(connection)

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        with self.looking() as connection:
            return self.looks.level(connection, path, after, most)

    def script(
        self, text: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        with self.scripting() as connection:
            return self.scripts.script(connection, text, parameters, rows)

    def call(
        self, procedure: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        with self.scripting() as connection:
            return self.scripts.call(connection, procedure, parameters, rows)
