"""Binary: bytes as they are."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation, ConnectorSpec


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .binary_adf import from_adf

    return from_adf(end)


SPEC = ConnectorSpec(
    name="binary",
    summary="Bytes as they are: any file, copied in ranges, never parsed",
    kind="format",
    adf_types=("Binary", "BinarySource", "BinarySink"),
    from_adf=_from_adf,
    example="crossdock copy images/ backup/ --source-format binary",
)
