"""An import contract of our own: what some rooms may import, or may not, by pattern.

import-linter's own contracts want every module they name to exist and can only forbid by name, so they say
nothing about a module that comes later.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class RoomContract(Contract):
    """The direct imports of the modules that match `rooms`, and of the modules inside them.

    - `allowed`: the only modules of the project that they may import, beside themselves. (Optional.)
    - `forbidden`: modules of the project or packages that they may not import. (Optional.)

    Patterns are those of a shell; a pattern stands for the modules inside a package too, and may match none.
    """

    type_name = "room"

    rooms = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField(), required=False)
    forbidden = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare each import of the rooms with the two lists."""
        rooms, allowed, forbidden = _texts(self.rooms), _texts(self.allowed), _texts(self.forbidden)
        packages: list[str] = self.session_options["root_packages"]
        broken = []
        for importer in sorted(name for name in graph.modules if _matches(name, rooms)):
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                of_project = imported.split(".")[0] in packages
                unwanted = _matches(imported, forbidden)
                if allowed and of_project and not _matches(imported, [*rooms, *allowed]):
                    unwanted = True
                if unwanted:
                    lines = graph.get_import_details(importer=importer, imported=imported)
                    broken.append((importer, imported, [line["line_number"] for line in lines]))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import and its lines."""
        for importer, imported, lines in check.metadata["broken"]:
            places = ", ".join(f"l.{line}" for line in lines)
            output.print_error(f"{importer} may not import {imported} ({places})")
        output.new_line()


def _texts(field: Any) -> list[str]:
    """The field's value: import-linter puts it in the place of the field when it reads the contract."""
    return list(field or [])


def _matches(module: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(module, one) or fnmatchcase(module, f"{one}.*") for one in patterns)
