"""An import-linter contract that lists what a package *may* import: a new dependency is then a decision."""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def _covers(expression: str, module: str) -> bool:
    """``a.b`` is that module alone; ``a.b.*`` is everything below it."""
    package, star, _ = expression.partition(".*")
    return module.startswith(f"{package}.") if star else module == expression


class AllowedImports(Contract):
    """Modules in ``sources`` (and not in ``without``) import the standard library and ``allowed``, directly.

    All three hold expressions as in ``_covers``. One in ``sources`` that names no module breaks the contract:
    a rule about a renamed module would otherwise hold for ever.
    """

    type_name = "allowed"

    sources = fields.SetField(subfield=fields.StringField())
    without = fields.SetField(subfield=fields.StringField(), required=False, default=set())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        unknown = [e for e in self.sources if not any(_covers(e, m) for m in graph.modules)]
        refused = [
            graph.get_import_details(importer=importer, imported=imported)
            for importer in sorted(graph.modules)
            if any(_covers(e, importer) for e in self.sources)
            and not any(_covers(e, importer) for e in self.without)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.partition(".")[0] not in sys.stdlib_module_names
            and not any(_covers(e, imported) for e in self.allowed)
        ]
        return ContractCheck(
            kept=not (unknown or refused), metadata={"unknown": sorted(unknown), "refused": refused}
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        for expression in check.metadata["unknown"]:
            output.print_error(f"no module is called {expression}")
        for details in check.metadata["refused"]:
            for line in details:
                output.print_error(
                    f"{line['importer']}:{line['line_number']} may not import {line['imported']}: "
                    f"{line['line_contents']}"
                )
