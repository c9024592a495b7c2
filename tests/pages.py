"""What a browser sees of an answer: elements, texts and forms. And browsers without a window to ask for it.

page = read(reader.get("/"))
fields = page.form("/").typed(recipients="06 12 34 56 78", text="Bonjour")
answer = reader.post("/", fields)
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

# Elements without an end tag (HTML standard, section 13.1.2).
VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])


class Element:
    """An element of a page; `children` are elements and texts in the order of the document."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Element | str] = []

    def all(self, tag: str = "", **wanted: str) -> "list[Element]":
        """The elements below with this tag (any without one) and these attributes, in the order of the document."""
        return [
            element
            for element in self._below()
            if tag in ("", element.tag) and all(element.attributes.get(k) == v for k, v in wanted.items())
        ]

    def one(self, tag: str = "", **wanted: str) -> "Element":
        """The only element that `all` finds."""
        found = self.all(tag, **wanted)
        assert len(found) == 1, f"{len(found)} elements <{tag}> {wanted}"
        return found[0]

    @property
    def text(self) -> str:
        """The text below, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def error(self, field: str) -> str:
        """What stands beside the form's field `field` as its error, "" for nothing."""
        found = self.all(id=f"id_{field}_error")
        return found[0].text if found else ""

    def form(self, action: str) -> "Form":
        """The form that posts to `action`."""
        return Form(self.one("form", action=action, method="post"))

    def _below(self) -> "Iterator[Element]":
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._below()

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()


class Form:
    """A form as a browser would send it."""

    def __init__(self, element: Element) -> None:
        self.element = element

    @property
    def names(self) -> list[str]:
        """The names of the fields that a person sees, in the order of the page."""
        fields = (f for f in self.element._below() if f.tag in ("select", "textarea", "input"))
        seen = (f.attributes.get("name", "") for f in fields if f.attributes.get("type") != "hidden")
        return list(dict.fromkeys(name for name in seen if name))

    def typed(self, **changes: str | None) -> dict[str, str]:
        """What is sent when `changes` are made to the form as it stands; None takes a field away."""
        values = {name: value for name, value in self._untouched() if name} | {
            name: value for name, value in changes.items() if value is not None
        }
        return {name: value for name, value in values.items() if changes.get(name, "") is not None}

    def _untouched(self) -> Iterator[tuple[str, str]]:
        for field in self.element._below():
            name, value = field.attributes.get("name", ""), field.attributes.get("value", "")
            if field.tag == "textarea":
                # A line end right after <textarea> belongs to the page, not to the value.
                yield name, "".join(field._texts()).removeprefix("\n")
            elif field.tag == "select":
                options = field.all("option")
                chosen = [option for option in options if "selected" in option.attributes] or options[:1]
                for option in chosen:
                    yield name, option.attributes.get("value", option.text)
            elif field.tag == "input" and field.attributes.get("type") in ("checkbox", "radio"):
                if "checked" in field.attributes:
                    yield name, field.attributes.get("value", "on")
            elif field.tag == "input":
                yield name, value


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in (element.tag for element in self.open):
            while self.open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(answer: Any) -> Element:
    """The page of an answer."""
    reader = _Reader()
    reader.feed(answer.content.decode())
    reader.close()
    return reader.root


def sentence(page: Element) -> str:
    """What the main part of a page says."""
    return page.one("main").text


def is_a_sentence(text: str) -> bool:
    """Whether it is more than a word: begins with a capital letter or digit and ends like a sentence."""
    return bool(re.search(r"^[A-Z0-9].* .*[.:!?]$", text))


def browser_of(person: User | None = None, *, csrf: bool = False, language: str = "en") -> Client:
    """A browser, signed in as `person` if any; `csrf` looks at the forms' tokens as in production."""
    made = Client(headers={"accept-language": language}, enforce_csrf_checks=csrf)
    if person is not None:
        made.force_login(person)
    return made
