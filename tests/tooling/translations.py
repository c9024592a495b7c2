"""The French catalogue: brought up to date (`update`), and proved complete and fresh (`check`).

Both extract the texts with the same command from a copy of the sources, so that they cannot disagree and a
check never changes the tree.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import polib

from tests.tooling import tools

ROOT = Path(__file__).resolve().parents[2]
LANGUAGE = "fr"
CATALOGUE = Path("locale") / LANGUAGE / "LC_MESSAGES" / "django.po"
# Where texts for people stand. Tests and tools speak to developers, in English.
SOURCES = ("smsmanager", "inbox", "compose", "senders", "credits", "templates")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*(?:[!:][^{}]*)?\}")

# msgctxt, msgid, msgid_plural: what makes an entry one entry.
Key = tuple[str | None, str, str]


class ExtractionFailed(Exception):
    """makemessages refused the sources; the text is what it said."""


def extract(root: Path, known: polib.POFile | None = None) -> polib.POFile:
    """The texts that the sources below `root` hold now, merged with the translations of `known`.

    Raises ExtractionFailed, and tools.ToolMissing without GNU gettext.
    """
    tools.gettext()
    with tempfile.TemporaryDirectory(prefix="sms-") as room:
        copy = Path(room)
        for name in SOURCES:
            if (root / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(root / name, copy / name, ignore=ignored)
        target = copy / CATALOGUE
        target.parent.mkdir(parents=True)
        if known is not None:
            known.save(str(target))
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "django",
                "makemessages",
                f"--locale={LANGUAGE}",
                "--add-location=file",
                "--no-obsolete",
                "--no-wrap",
            ],
            cwd=copy,
            # With settings it would look for their folders instead of this copy's.
            env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not target.is_file():
            raise ExtractionFailed(f"makemessages failed:\n{done.stdout}{done.stderr}")
        return polib.pofile(str(target))


def key(entry: polib.POEntry) -> Key:
    """What makes the entry one entry."""
    return entry.msgctxt, entry.msgid, entry.msgid_plural


def problems(root: Path) -> list[str]:
    """Sentences about what is wrong with the catalogue below `root`; empty when nothing is."""
    path = root / CATALOGUE
    if not path.is_file():
        return [f"{CATALOGUE} is not there."]
    catalogue = polib.pofile(str(path), check_for_duplicates=False)
    wanted = {key(entry) for entry in extract(root)}
    held = [key(entry) for entry in catalogue if not entry.obsolete]
    found = [f"not in the catalogue: {_named(one)}" for one in sorted(wanted - set(held), key=str)]
    found += [f"no longer in the sources: {_named(one)}" for one in sorted(set(held) - wanted, key=str)]
    found += [f"twice in the catalogue: {_named(one)}" for one in sorted(_repeated(held), key=str)]
    for entry in catalogue:
        if not entry.obsolete:
            found += [f"{problem}: {_named(key(entry))}" for problem in _faults(entry)]
    return found + _stale(path, catalogue)


def _named(one: Key) -> str:
    context, text, _ = one
    return f"{text!r}" + (f" (context {context!r})" if context else "")


def _repeated(keys: Sequence[Key]) -> set[Key]:
    return {one for one in keys if keys.count(one) > 1} if len(set(keys)) < len(keys) else set()


def _faults(entry: polib.POEntry) -> list[str]:
    if entry.fuzzy:
        return ["fuzzy"]
    texts = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
    if not texts or not all(texts):
        return ["not translated"]
    if not entry.msgid_plural:
        return _unlike(entry.msgstr, entry.msgid)
    # "one message" may do without its number; the other forms may not.
    singular, *others = texts
    return [
        *_unlike(singular, entry.msgid_plural, may_lack=True),
        *(problem for text in others for problem in _unlike(text, entry.msgid_plural)),
    ]


def _unlike(text: str, original: str, *, may_lack: bool = False) -> list[str]:
    """Whether the placeholders of `text` are those of `original`; it `may_lack` some."""
    ours, theirs = Counter(PLACEHOLDER.findall(text)), Counter(PLACEHOLDER.findall(original))
    if ours == theirs or (may_lack and ours <= theirs):
        return []
    named = [" ".join(sorted(found.elements())) or "none" for found in (ours, theirs)]
    return [f"placeholders differ, {named[0]} for {named[1]}"]


def _stale(path: Path, catalogue: polib.POFile) -> list[str]:
    """Whether the compiled catalogue beside `path` says the same."""
    compiled = path.with_suffix(".mo")
    if not compiled.is_file():
        return [f"{CATALOGUE.with_suffix('.mo')} is not there."]

    def content(entries: Iterable[polib.POEntry]) -> dict[Key, list[str]]:
        return {key(one): list(one.msgstr_plural.values()) or [one.msgstr] for one in entries}

    binary = polib.mofile(str(compiled))
    texts = [entry for entry in catalogue if entry.translated() and not entry.obsolete]
    if content(binary) != content(texts) or binary.metadata != catalogue.metadata:
        return [f"{CATALOGUE.with_suffix('.mo')} does not say what {CATALOGUE.name} says."]
    return []


def update(root: Path) -> None:
    """Bring the catalogue below `root` up to date with its sources and compile it."""
    path = root / CATALOGUE
    path.parent.mkdir(parents=True, exist_ok=True)
    known = polib.pofile(str(path)) if path.is_file() else None
    fresh = extract(root, known)
    if known is None:
        fresh.header = "The words of the product in French. `make messages` brings them up to date."
        fresh.metadata_is_fuzzy = False
        fresh.metadata = {
            name: value
            for name, value in fresh.metadata.items()
            if name
            in {
                "POT-Creation-Date",
                "Report-Msgid-Bugs-To",
                "MIME-Version",
                "Content-Transfer-Encoding",
                "Plural-Forms",
            }
        } | {
            "Project-Id-Version": "smsmanager",
            "Language": LANGUAGE,
            "Content-Type": "text/plain; charset=UTF-8",
        }
    else:
        # The hour of the extraction alone is no change.
        fresh.metadata["POT-Creation-Date"] = known.metadata.get("POT-Creation-Date", "")
    fresh.save(str(path))
    fresh.save_as_mofile(str(path.with_suffix(".mo")))


def main(arguments: Sequence[str]) -> int:
    """`check` prints the problems, one a line; `update` writes the catalogue and says what is left to do."""
    if list(arguments) not in (["check"], ["update"]):
        print("Usage: python -m tests.tooling.translations check|update", file=sys.stderr)
        return 2
    try:
        if arguments[0] == "update":
            update(ROOT)
        found = problems(ROOT)
    except (tools.ToolMissing, ExtractionFailed) as error:
        print(error, file=sys.stderr)
        return 1
    for line in found:
        print(line)
    if arguments[0] == "update":
        print(f"{CATALOGUE} is up to date; {len(found)} entries are for a translator.")
        return 0
    if found:
        print("`make messages` brings the catalogue up to date; the French texts are yours to write.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
