"""Excel as Data Factory defines it: only read."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

from .compressed import compression_of

_TEXTS = {"sheetName": "sheet_name", "range": "range", "nullValue": "null_value"}


def from_adf(end: AdfEnd) -> AdfTranslation:
    dataset = end.dataset
    options = {option: value for name, option in _TEXTS.items() if (value := dataset.text(name))}
    if (index := dataset.whole("sheetIndex")) is not None:
        options["sheet_index"] = str(index)
    options["header"] = "true" if dataset.flag("firstRowAsHeader") else "false"
    options |= compression_of(dataset.inner("compression"), "type", "level")
    return AdfTranslation(options=options)
