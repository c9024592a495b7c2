"""The room contract finds what a room may not import."""

from typing import Any

import pytest
from grimp import ImportGraph
from importlinter import ContractCheck

from tests.tooling.contracts import RoomContract

ALLOWED = {"rooms": ["app.doors"], "allowed": ["app.pure"], "forbidden": ["django"]}


def broken(imports: list[tuple[str, str]], **options: Any) -> list[tuple[str, str]]:
    """The imports that a contract with `options` objects to."""
    graph = ImportGraph()
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported, line_number=1, line_contents="")
    contract = RoomContract(
        name="a room",
        session_options={"root_packages": ["app"]},
        contract_options={"name": "a room", "type": "room", **options},
    )
    check: ContractCheck = contract.check(graph, verbose=False)
    found = [(importer, imported) for importer, imported, _ in check.metadata["broken"]]
    assert check.kept is not bool(found)
    return found


@pytest.mark.parametrize("imported", ["app.pure", "app.doors.base", "logging", "redis"])
def test_a_room_may_import_itself_what_is_allowed_and_other_packages(imported: str) -> None:
    assert broken([("app.doors.one", imported)], **ALLOWED) == []


@pytest.mark.parametrize("imported", ["app.models", "app", "app.doorsteps", "django", "django.db"])
def test_a_room_may_not_import_the_rest_of_the_project_nor_what_is_forbidden(imported: str) -> None:
    assert broken([("app.doors.one", imported)], **ALLOWED) == [("app.doors.one", imported)]


def test_a_pattern_stands_for_modules_that_come_later() -> None:
    imports = [("app.a.queries", "app.a.services"), ("app.b.queries.sent", "app.a.services.verbs")]
    assert broken(imports, rooms=["*.queries"], forbidden=["*.services"]) == imports


def test_a_room_that_does_not_exist_yet_breaks_nothing() -> None:
    assert broken([("app.models", "django")], **ALLOWED) == []
