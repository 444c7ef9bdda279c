"""The plugin contract: all that a connector implements or is given. No vendor, no engine."""

from .browse import Browsable, Entry, EntryPage, Reached
from .data import Attempt, Begun, PlanHint, Receipt, Split, Target, Unit, UnitPage, WriteMode
from .endpoints import BulkWriter, Cancellable, Copier, ReadBack, Sink, Source, Writer
from .format import ByteSink, FileFormat, FormatWriter, Part, Piece
from .spec import Capabilities, ConnectorConfig, ConnectorSpec, Location, Secrets
from .store import (
    Attributes,
    Block,
    Folders,
    ObjectAttributes,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    RangeCopier,
    UploadRequest,
    WholeWriter,
)

__all__ = [
    "Attempt",
    "Attributes",
    "Begun",
    "Block",
    "Browsable",
    "BulkWriter",
    "ByteSink",
    "Cancellable",
    "Capabilities",
    "ConnectorConfig",
    "ConnectorSpec",
    "Copier",
    "Entry",
    "EntryPage",
    "FileFormat",
    "Folders",
    "FormatWriter",
    "Location",
    "ObjectAttributes",
    "ObjectInfo",
    "ObjectReader",
    "ObjectStore",
    "Part",
    "Piece",
    "PlanHint",
    "RangeCopier",
    "Reached",
    "ReadBack",
    "Receipt",
    "Secrets",
    "Sink",
    "Source",
    "Split",
    "Target",
    "Unit",
    "UnitPage",
    "UploadRequest",
    "WholeWriter",
    "WriteMode",
    "Writer",
]
