"""TableContract: what every table connector must do, as a source, as a sink or both."""

from __future__ import annotations

from .browsing import TableBrowseChecks
from .secrets_kept import TableSecretChecks
from .table_attempts import AttemptChecks
from .table_bulk import BulkLoadChecks
from .table_cancelling import CancelChecks
from .table_commit import CommitChecks
from .table_memory import MemoryChecks
from .table_modes import ModeChecks
from .table_scripts import ScriptChecks
from .table_skips import LeftOutChecks
from .table_source import SourceChecks
from .table_types import TypeChecks


class TableContract(
    SourceChecks,
    ModeChecks,
    CommitChecks,
    MemoryChecks,
    AttemptChecks,
    TypeChecks,
    BulkLoadChecks,
    TableBrowseChecks,
    ScriptChecks,
    LeftOutChecks,
    CancelChecks,
    TableSecretChecks,
):
    """All checks of a table connector. Override the fixture ``url`` and, where you can, ``inventory``.

    Where the sink leaves out rows and the connector runs no scripts, override ``refuse_doubles``.

    A connector that only reads overrides ``seed``; one that only writes overrides ``fetch``.
    """
