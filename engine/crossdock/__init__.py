"""crossdock: an open integration runtime.

Everything public is a name of this module: ``copy``, ``acopy``, ``resume``, ``show`` and ``forget`` for
people who move data, ``settle`` for those who do it on a lease, ``test_connection``, ``browse``, ``schema``
and ``preview`` for those who look at it first; ``check`` and ``registry`` for those who plan copies;
``read``, ``stat``, ``children``, ``delete``, ``run_script`` and ``call_procedure`` for those who run
activities, with ``json_rows``, ``json_value``, ``redacted`` and ``state_folder`` for what they tell and
keep; ``hookimpl``, the classes of ``crossdock.spi`` and the errors for people who write connectors, with
``packed_format``, ``parse_type`` and what makes JSON of columns (``json_lines``, ``is_list``,
``list_offsets``). Names are imported on first use, so that ``import crossdock`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    # Type checkers take the names from here; both forms count as re-exports where __all__ is not static.
    from . import errors as errors
    from . import spi as spi
    from .api import acopy as acopy
    from .api import copy as copy
    from .api import forget as forget
    from .api import resume as resume
    from .api import show as show
    from .checking import check as check
    from .conversion import ConversionSettings as ConversionSettings
    from .errors import *
    from .history import state_folder as state_folder
    from .inspecting import Item as Item
    from .inspecting import children as children
    from .inspecting import stat as stat
    from .interactive import browse as browse
    from .interactive import preview as preview
    from .interactive import schema as schema
    from .interactive import test_connection as test_connection
    from .json_text import is_list as is_list
    from .json_text import json_lines as json_lines
    from .json_text import list_offsets as list_offsets
    from .json_values import json_rows as json_rows
    from .json_values import json_value as json_value
    from .mapping import ColumnMapping as ColumnMapping
    from .mapping import MappedColumn as MappedColumn
    from .packing.format import packed_format as packed_format
    from .plugins import hookimpl as hookimpl
    from .plugins import registry as registry
    from .reading import read as read
    from .redact import redacted as redacted
    from .removing import delete as delete
    from .report import CopyResult as CopyResult
    from .report import RunInfo as RunInfo
    from .report import Snapshot as Snapshot
    from .scripting import call_procedure as call_procedure
    from .scripting import run_script as run_script
    from .settling import settle as settle
    from .spi import *
    from .stages import stage_in as stage_in
    from .stages import stage_out as stage_out
    from .stages import stage_remove as stage_remove
    from .type_names import parse_type as parse_type

_ENGINE = {
    "state_folder": "history",
    "redacted": "redact",
    "acopy": "api",
    "copy": "api",
    "forget": "api",
    "resume": "api",
    "settle": "settling",
    "show": "api",
    "stage_in": "stages",
    "stage_out": "stages",
    "stage_remove": "stages",
    "browse": "interactive",
    "call_procedure": "scripting",
    "check": "checking",
    "children": "inspecting",
    "delete": "removing",
    "preview": "interactive",
    "schema": "interactive",
    "test_connection": "interactive",
    "hookimpl": "plugins",
    "registry": "plugins",
    "read": "reading",
    "run_script": "scripting",
    "stat": "inspecting",
    "Item": "inspecting",
    "json_rows": "json_values",
    "packed_format": "packing.format",
    "json_value": "json_values",
    "is_list": "json_text",
    "json_lines": "json_text",
    "list_offsets": "json_text",
    "parse_type": "type_names",
    "ColumnMapping": "mapping",
    "MappedColumn": "mapping",
    "ConversionSettings": "conversion",
    "CopyResult": "report",
    "RunInfo": "report",
    "Snapshot": "report",
}

_ERRORS = (
    "AccessDeniedError",
    "AlreadyExistsError",
    "AuthError",
    "CancelledError",
    "ConfigError",
    "CrossdockError",
    "DataError",
    "InternalError",
    "MissingDependencyError",
    "NoSpaceError",
    "NotFoundError",
    "NotSupportedError",
    "SchemaMismatchError",
    "ShortReadError",
    "SourceChangedError",
    "StageLostError",
    "ThrottledError",
    "TransientError",
    "UnreachableError",
    "UserError",
    "VerificationError",
)
_SPI = (
    "AdfComputed",
    "AdfEnd",
    "AdfProperties",
    "AdfRemark",
    "AdfSecret",
    "AdfTranslation",
    "Attempt",
    "Attributes",
    "Begun",
    "Block",
    "Browsable",
    "BulkLoad",
    "BulkLoader",
    "BulkWriter",
    "ByteSink",
    "Cancellable",
    "Capabilities",
    "Check",
    "ConnectorConfig",
    "ConnectorSpec",
    "Copier",
    "Described",
    "Entry",
    "EntryPage",
    "Facts",
    "Fetchable",
    "FileFormat",
    "Folders",
    "FormatWriter",
    "Location",
    "ObjectAttributes",
    "ObjectInfo",
    "ObjectReader",
    "ObjectStore",
    "Parameter",
    "ParameterType",
    "Part",
    "Piece",
    "PlanHint",
    "RangeCopier",
    "Reached",
    "ReadBack",
    "Receipt",
    "Remembering",
    "RemembersUploads",
    "RowSkips",
    "ScriptResult",
    "Scriptable",
    "Secrets",
    "Sink",
    "SkippingSink",
    "SkippingSource",
    "Source",
    "Split",
    "StagedFile",
    "Target",
    "TypedSink",
    "Unit",
    "UnitPage",
    "UploadRequest",
    "WholeWriter",
    "WriteMode",
    "Writer",
    "adf_connection_string",
    "adf_leftovers",
    "fitted",
    "gathered",
)
# Names that go: by each, the first version that warns and the public name to use in its place.
_DEPRECATED: dict[str, tuple[str, str]] = {}
_HOME = _ENGINE | dict.fromkeys(_ERRORS, "errors") | dict.fromkeys(_SPI, "spi")


if not TYPE_CHECKING:
    __all__ = ["__version__", "errors", "spi", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in ("errors", "spi"):
        return import_module(f"{__name__}.{name}")
    if name in _DEPRECATED:
        from .versions import Deprecated

        since, use = _DEPRECATED[name]
        Deprecated(since, f"crossdock.{use}").warn(f"crossdock.{name}")
        return getattr(import_module(__name__), use)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals()["__all__"])
