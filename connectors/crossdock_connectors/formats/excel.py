"""Excel workbooks, for reading: one sheet, or a range of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock import ConnectorSpec, CrossdockError, DataError

from .compressed import opened

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat

    from .excel_config import ExcelConfig


def _classify(error: BaseException) -> CrossdockError | None:
    if type(error).__module__.startswith("python_calamine"):
        return DataError(f"the workbook cannot be read: {error}"[:300])
    return None


def _config() -> type[ExcelConfig]:
    from .excel_config import ExcelConfig  # imports pydantic

    return ExcelConfig


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .excel_adf import from_adf

    return from_adf(end)


def _open(config: Any) -> FileFormat:
    from .excel_format import ExcelFormat  # imports python_calamine

    return opened(config, ExcelFormat, own=("auto", "none"))


SPEC = ConnectorSpec(
    name="excel",
    summary="Excel workbooks (.xlsx, .xlsm, .xls), read only: a sheet or a range of it",
    kind="format",
    config=_config,
    extensions=(".xlsx", ".xlsm", ".xls"),
    adf_types=("Excel", "ExcelSource"),
    open_format=_open,
    classify=_classify,
    from_adf=_from_adf,
    example="crossdock copy budget.xlsx budget.parquet -s sheet_name=2024 -s range=A3:H500",
    requires=("python_calamine",),
    extra="formats",
)
