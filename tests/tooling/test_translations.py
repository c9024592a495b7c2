"""The check of the catalogue finds each way in which a catalogue can be wrong."""

from collections.abc import Callable
from pathlib import Path

import polib
import pytest

from tests.fixtures import tool
from tests.tooling import tools, translations

SOURCE = """
from django.utils.translation import gettext, ngettext, pgettext

gettext("Sent to %(number)s.")
gettext("{count} left")
pgettext("noun", "Order")
pgettext("verb", "Order")
ngettext("%(count)s message", "%(count)s messages", 2)
"""
FRENCH = {
    "Sent to %(number)s.": "Envoyé à %(number)s.",
    "{count} left": "Reste {count}",
    "Order": "Commande",
}


def entry(catalogue: polib.POFile, text: str) -> polib.POEntry:
    found = catalogue.find(text)
    assert found is not None
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project with a complete catalogue."""
    tool(tools.gettext)
    (tmp_path / "compose").mkdir()
    (tmp_path / "compose" / "views.py").write_text(SOURCE)
    translations.update(tmp_path)
    path = tmp_path / translations.CATALOGUE
    catalogue = polib.pofile(str(path))
    for one in catalogue:
        if one.msgid_plural:
            one.msgstr_plural = {0: "un message", 1: "%(count)s messages"}
        else:
            one.msgstr = FRENCH[one.msgid]
    catalogue.save()
    translations.update(tmp_path)
    return tmp_path


def spoil(tree: Path, change: Callable[[polib.POFile], None]) -> list[str]:
    """The problems of the catalogue after `change`, compiled again so that only the change shows."""
    path = tree / translations.CATALOGUE
    catalogue = polib.pofile(str(path))
    change(catalogue)
    catalogue.save()
    catalogue.save_as_mofile(str(path.with_suffix(".mo")))
    return translations.problems(tree)


def test_a_complete_catalogue_has_no_problem(tree: Path) -> None:
    assert translations.problems(tree) == []


def test_bringing_it_up_to_date_again_changes_nothing(tree: Path) -> None:
    files = [tree / translations.CATALOGUE, (tree / translations.CATALOGUE).with_suffix(".mo")]
    before = [file.read_bytes() for file in files]
    translations.update(tree)
    assert [file.read_bytes() for file in files] == before


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    assert translations.problems(tmp_path) == ["locale/fr/LC_MESSAGES/django.po is not there."]


def test_a_new_text_is_named_with_its_context(tree: Path) -> None:
    with (tree / "compose" / "views.py").open("a") as source:
        source.write('pgettext("new", "Order")\n')
    assert translations.problems(tree) == ["not in the catalogue: 'Order' (context 'new')"]


def test_a_text_that_left_the_sources_is_named(tree: Path) -> None:
    source = tree / "compose" / "views.py"
    source.write_text(source.read_text().replace('gettext("{count} left")', ""))
    assert translations.problems(tree) == ["no longer in the sources: '{count} left'"]


def test_an_empty_translation_is_named(tree: Path) -> None:
    def change(catalogue: polib.POFile) -> None:
        entry(catalogue, "{count} left").msgstr = ""

    assert spoil(tree, change) == ["not translated: '{count} left'"]


def test_a_fuzzy_translation_is_named(tree: Path) -> None:
    def change(catalogue: polib.POFile) -> None:
        entry(catalogue, "{count} left").flags.append("fuzzy")

    assert spoil(tree, change) == ["fuzzy: '{count} left'"]


@pytest.mark.parametrize(
    ("text", "translation"),
    [("{count} left", "Reste {compte}"), ("Sent to %(number)s.", "Envoyé.")],
)
def test_placeholders_that_differ_are_named(tree: Path, text: str, translation: str) -> None:
    def change(catalogue: polib.POFile) -> None:
        entry(catalogue, text).msgstr = translation

    (problem,) = spoil(tree, change)
    assert problem.startswith("placeholders differ")


def test_a_plural_without_its_number_is_named(tree: Path) -> None:
    def change(catalogue: polib.POFile) -> None:
        entry(catalogue, "%(count)s message").msgstr_plural[1] = "des messages"

    (problem,) = spoil(tree, change)
    assert problem.startswith("placeholders differ")


def test_a_compiled_catalogue_of_yesterday_is_named(tree: Path) -> None:
    path = tree / translations.CATALOGUE
    catalogue = polib.pofile(str(path))
    entry(catalogue, "{count} left").msgstr = "Il reste {count}"
    catalogue.save()
    assert translations.problems(tree) == ["locale/fr/LC_MESSAGES/django.mo does not say what django.po says."]
