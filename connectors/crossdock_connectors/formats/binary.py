"""Binary: bytes as they are."""

from __future__ import annotations

from crossdock import ConnectorSpec

SPEC = ConnectorSpec(
    name="binary",
    summary="Bytes as they are: any file, copied in ranges, never parsed",
    kind="format",
    adf_types=("Binary", "BinarySource", "BinarySink"),
    example="crossdock copy images/ backup/ --source-format binary",
)
