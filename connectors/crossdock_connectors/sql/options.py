"""Options that databases have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from crossdock import ConfigError, ConnectorConfig

from .parameters import Parameters, word


class TableOptions(ConnectorConfig):
    """Of every database."""

    query: str = Field(default="", description="Source: a SELECT to read instead of a table")
    partition_lower_bound: str = Field(
        default="",
        description="Source: first boundary of ranges of partition_column; rows below it are read as well",
    )
    partition_upper_bound: str = Field(
        default="",
        description="Source: last boundary of ranges of partition_column; rows above it are read as well",
    )
    table_option: Annotated[Literal["auto_create", "none"], BeforeValidator(word)] = Field(
        default="auto_create", description="Sink: create a missing table, or refuse"
    )
    pre_copy_script: str = Field(
        default="",
        description="Sink: SQL that runs before the rows, in the transaction that shows them (on a dedicated "
        "SQL pool: just ahead of it, and again where the commit is tried again)",
    )
    keep_nulls: bool = Field(
        default=True, description="Sink: NULL stays NULL; false: it becomes the column's default"
    )


class ProcedureOptions(TableOptions):
    """Of databases whose procedures take rows."""

    procedure: str = Field(default="", description="Source: a stored procedure to read instead of a table")
    parameters: Parameters = Field(
        default={}, description="Source: parameters of the stored procedure, as JSON by name"
    )
    write_behavior: Annotated[Literal["insert", "upsert", "stored_procedure"], BeforeValidator(word)] = Field(
        default="insert",
        description="Sink: upsert replaces rows with the same keys, stored_procedure hands the rows to a "
        "procedure; both need mode append",
    )
    stored_procedure: str = Field(
        default="", description="Sink: the procedure that takes the rows, in the transaction that shows them"
    )
    stored_procedure_table_type: str = Field(
        default="",
        description="Sink: the type of the rows that the procedure takes: SQL Server's table type, or of "
        "PostgreSQL the composite type of which it takes an array",
    )
    stored_procedure_table_type_parameter_name: str = Field(
        default="", description="Sink: the parameter of the procedure that takes the rows"
    )
    stored_procedure_parameters: Parameters = Field(
        default={}, description="Sink: other parameters of the procedure, as JSON by name"
    )
    fire_triggers: bool = Field(
        default=True, description="Sink: triggers of the table fire; false needs the right to alter the table"
    )

    def sink_procedure(self) -> tuple[str, str, str] | None:
        """The procedure that takes the rows, their type and the parameter; None where there is none.

        Raises ConfigError where one of them is missing.
        """
        given = (
            self.stored_procedure, self.stored_procedure_table_type,
            self.stored_procedure_table_type_parameter_name,
        )  # fmt: skip
        if (self.write_behavior == "stored_procedure") != any(given) or any(given) != all(given):
            raise ConfigError(
                "write_behavior=stored_procedure needs stored_procedure, stored_procedure_table_type and "
                "stored_procedure_table_type_parameter_name, and they need it"
            )
        return given if all(given) else None
