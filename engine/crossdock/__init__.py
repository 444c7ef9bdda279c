"""crossdock: an open integration runtime.

Everything public is a name of this module: ``copy``, ``acopy`` and ``resume`` for people who move data;
``hookimpl``, the classes of ``crossdock.spi`` and the errors for people who write connectors. Names
are imported on first use, so that ``import crossdock`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import errors, spi
    from .api import acopy, copy, resume
    from .errors import *  # noqa: F403
    from .plugins import hookimpl
    from .report import CopyResult
    from .spi import *  # noqa: F403

_ENGINE = {
    "acopy": "api",
    "copy": "api",
    "resume": "api",
    "hookimpl": "plugins",
    "CopyResult": "report",
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
    "UserError",
    "VerificationError",
)
_SPI = (
    "Attempt",
    "Begun",
    "Block",
    "ByteSink",
    "Cancellable",
    "Capabilities",
    "ConnectorConfig",
    "ConnectorSpec",
    "Copier",
    "FileFormat",
    "FormatWriter",
    "Location",
    "ObjectInfo",
    "ObjectReader",
    "ObjectStore",
    "Part",
    "Piece",
    "PlanHint",
    "RangeCopier",
    "ReadBack",
    "Receipt",
    "Sink",
    "Source",
    "Split",
    "Target",
    "Unit",
    "UnitPage",
    "UploadRequest",
    "WriteMode",
    "Writer",
)
_HOME = _ENGINE | dict.fromkeys(_ERRORS, "errors") | dict.fromkeys(_SPI, "spi")

__all__ = ["__version__", "errors", "spi", *sorted(_HOME)]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> Any:
    if name in ("errors", "spi"):
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
