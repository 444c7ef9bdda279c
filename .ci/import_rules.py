"""Contracts for import-linter, whose own ones say what is forbidden: these say what is allowed."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def _render(check: ContractCheck) -> None:
    for pattern in check.metadata["unknown"]:
        output.print_error(f"no module is called {pattern}")
    for details in check.metadata["refused"]:
        for line in details:
            output.print_error(
                f"{line['importer']}:{line['line_number']} may not import {line['imported']}: "
                f"{line['line_contents']}"
            )


class AllowedImports(Contract):
    """Modules in ``sources`` (and not in ``without``) import the standard library and ``allowed``, directly.

    All three hold shell patterns: ``a.b.*`` is everything below ``a.b``. One in ``sources`` that matches no
    module breaks the contract: a rule about a renamed module would otherwise hold for ever.
    """

    type_name = "allowed"

    sources = fields.SetField(subfield=fields.StringField())
    without = fields.SetField(subfield=fields.StringField(), required=False, default=set())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        unknown = [e for e in self.sources if not any(fnmatchcase(m, e) for m in graph.modules)]
        refused = [
            graph.get_import_details(importer=importer, imported=imported)
            for importer in sorted(graph.modules)
            if any(fnmatchcase(importer, e) for e in self.sources)
            and not any(fnmatchcase(importer, e) for e in self.without)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.partition(".")[0] not in sys.stdlib_module_names
            and not any(fnmatchcase(imported, e) for e in self.allowed)
        ]
        return ContractCheck(
            kept=not (unknown or refused), metadata={"unknown": sorted(unknown), "refused": refused}
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)


class SeparateConnectors(Contract):
    """Modules of one connector import those of no other in the same ``folders``, only ``shared`` ones.

    The connector of a module is its name up to the first underscore: ``parquet_read`` belongs to ``parquet``.
    """

    type_name = "separate"

    folders = fields.SetField(subfield=fields.StringField())
    shared = fields.SetField(subfield=fields.StringField(), required=False, default=set())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        unknown = sorted((self.folders | self.shared) - graph.modules)
        refused = [
            graph.get_import_details(importer=importer, imported=imported)
            for importer in sorted(graph.modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported not in self.shared
            and (theirs := self._connector(imported))
            and (ours := self._connector(importer))
            and ours != theirs
        ]
        return ContractCheck(kept=not (unknown or refused), metadata={"unknown": unknown, "refused": refused})

    def _connector(self, module: str) -> str | None:
        for folder in self.folders:
            if module.startswith(f"{folder}."):
                return f"{folder}.{module[len(folder) + 1 :].partition('.')[0].partition('_')[0]}"
        return None

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)
