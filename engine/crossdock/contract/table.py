"""TableContract: what every table connector must do, as a source, as a sink or both."""

from __future__ import annotations

from .browsing import TableBrowseChecks
from .table_attempts import AttemptChecks
from .table_bulk import BulkLoadChecks
from .table_commit import CommitChecks
from .table_modes import ModeChecks
from .table_scripts import ScriptChecks
from .table_source import SourceChecks
from .table_types import TypeChecks


class TableContract(
    SourceChecks,
    ModeChecks,
    CommitChecks,
    AttemptChecks,
    TypeChecks,
    BulkLoadChecks,
    TableBrowseChecks,
    ScriptChecks,
):
    """All checks of a table connector. Override the fixture ``url`` and, where you can, ``inventory``.

    A connector that only reads overrides ``seed``; one that only writes overrides ``fetch``.
    """
