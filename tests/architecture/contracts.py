"""Two kinds of import contract that import-linter lacks: only what is allowed, and a home for each driver."""

import sys
from collections.abc import Iterable
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules


class OnlyContract(Contract):
    """Modules that import the standard library and what is allowed, nothing else.

    Only the import itself counts: what an allowed module imports is its own matter.

    Options:
        modules: those that are held; a package alone means its `__init__`.
        allowed: modules beyond the standard library.
        forbidden: modules of the standard library.
    """

    modules: Any = fields.SetField(subfield=fields.ModuleExpressionField())
    allowed: Any = fields.SetField(subfield=fields.ModuleExpressionField(), required=False)
    forbidden: Any = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001  # the library's
        """Look at each direct import."""
        allowed = _names(graph, self.allowed or ()) | (sys.stdlib_module_names - (self.forbidden or set()))
        breaches = [
            (importer, imported)
            for importer in sorted(_names(graph, self.modules) & graph.modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer) - allowed)
        ]
        return ContractCheck(kept=not breaches, metadata={"breaches": breaches})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import that is not allowed."""
        _print(check)


class HomeContract(Contract):
    """Drivers that are imported in their homes only. A driver that nobody imports yet is no mistake.

    Options:
        drivers: top-level names of libraries.
        homes: modules with all that is in them.
    """

    drivers: Any = fields.SetField(subfield=fields.StringField())
    homes: Any = fields.SetField(subfield=fields.ModuleExpressionField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001  # the library's
        """Look at each direct import of a driver."""
        homes = _names(graph, self.homes, as_packages=True)
        breaches = [
            (importer, driver)
            for driver in sorted(self.drivers & graph.modules)
            for importer in sorted(graph.find_modules_that_directly_import(driver) - homes)
        ]
        return ContractCheck(kept=not breaches, metadata={"breaches": breaches})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import outside of the homes."""
        _print(check)


def _names(graph: grimp.ImportGraph, expressions: Iterable[Any], *, as_packages: bool = False) -> set[str]:
    return {module.name for module in module_expressions_to_modules(graph, expressions, as_packages)}


def _print(check: ContractCheck) -> None:
    for importer, imported in check.metadata["breaches"]:
        output.print_error(f"- {importer} must not import {imported}")
    output.new_line()
