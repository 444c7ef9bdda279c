"""The plugin contract: all that a connector implements or is given. No vendor, no engine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .browse import Browsable, Entry, EntryPage, Reached
from .data import Attempt, Begun, PlanHint, Receipt, Split, Target, Unit, UnitPage, WriteMode
from .endpoints import (
    BulkLoader,
    BulkWriter,
    Cancellable,
    Copier,
    ReadBack,
    Remembering,
    Sink,
    Source,
    Writer,
)
from .format import ByteSink, FileFormat, FormatWriter, Part, Piece
from .skipping import RowSkips, SkippingSink, SkippingSource, TypedSink, fitted
from .spec import BulkLoad, Capabilities, ConnectorSpec, Location, Secrets
from .store import (
    Attributes,
    Block,
    Described,
    Facts,
    Fetchable,
    Folders,
    ObjectAttributes,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    RangeCopier,
    RemembersUploads,
    StagedFile,
    UploadRequest,
    WholeWriter,
)

if TYPE_CHECKING:
    from .adf import (
        AdfComputed,
        AdfEnd,
        AdfProperties,
        AdfRemark,
        AdfSecret,
        AdfTranslation,
        adf_connection_string,
        adf_leftovers,
    )
    from .check import Check
    from .config import ConnectorConfig
    from .script import Parameter, ParameterType, Scriptable, ScriptResult, gathered

__all__ = [
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
]

_LATER = {"Check": "check", "ConnectorConfig": "config"} | dict.fromkeys(
    ("Parameter", "ParameterType", "ScriptResult", "Scriptable", "gathered"), "script"
)


def __getattr__(name: str) -> Any:
    """What few copies need is imported on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER.get(name, 'adf')}"), name)
