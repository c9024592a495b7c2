"""Words that follow the reader's language where a catalogue alone cannot decide them."""

import re
from datetime import datetime
from pathlib import Path

import pytest
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils import timezone, translation

from compose.forms import SentFilter
from credits import days
from smsmanager.templatetags.sms import city, whole


@pytest.mark.parametrize(
    ("language", "millis", "words"),
    [
        ("fr", 0, "0 crédit"),
        ("fr", 400, "0,4 crédit"),
        ("fr", 1000, "1 crédit"),
        ("fr", 1500, "1,5 crédit"),
        ("fr", 2000, "2 crédits"),
        ("fr", 1_234_500, "1\xa0234,5 crédits"),
        ("en", 0, "0 credits"),
        ("en", 400, "0.4 credits"),
        ("en", 1000, "1 credit"),
        ("en", 1500, "1.5 credits"),
        ("en", 1_234_500, "1,234.5 credits"),
    ],
)
def test_an_amount_takes_the_number_of_its_language(language: str, millis: int, words: str) -> None:
    with translation.override(language):
        assert render_to_string("_credits.html", {"amount": millis}).strip() == words


def test_a_time_zone_is_named_by_its_city_in_the_language() -> None:
    with translation.override("fr"):
        assert city("Europe/London") == "Londres"
    with translation.override("en"):
        assert city("Europe/London") == "London"


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr", ["1 destinataire", "10\xa0000 destinataires"]), ("en", ["1 recipient", "10,000 recipients"])],
)
def test_a_number_in_a_sentence_has_its_digits_in_groups(language: str, words: list[str]) -> None:
    template = Template(
        "{% load i18n sms %}{% blocktranslate trimmed count counter=number|whole %}<b>{{ counter }}</b> recipient"
        "{% plural %}<b>{{ counter }}</b> recipients{% endblocktranslate %}"
    )
    with translation.override(language):
        said = [template.render(Context({"number": number})) for number in (1, 10_000)]
    assert [one.replace("<b>", "").replace("</b>", "") for one in said] == words
    assert whole(10_000) == 10_000


@pytest.mark.parametrize(
    ("language", "format_", "words"),
    [
        ("fr", "l j F Y", "mardi 1er décembre 2026"),
        ("fr", "j N Y", "1er déc. 2026"),
        ("fr", "l j F, H:i", "mardi 1er décembre, 12:05"),
        ("fr", "DATE_FORMAT", "1er décembre 2026"),
        ("fr", "j/m", "1/12"),
        ("fr", "H:i", "12:05"),
        ("en", "l j F Y", "Tuesday 1 December 2026"),
    ],
)
def test_the_first_of_a_month_is_written_as_the_language_writes_it(language: str, format_: str, words: str) -> None:
    first = datetime(2026, 12, 1, 12, 5, tzinfo=timezone.get_current_timezone())
    template = Template("{% load sms %}{{ day|date:format }}|{{ later|date:format }}|{{ nothing|date:format }}")
    with translation.override(language):
        later = days.written(first.replace(day=21), format_)
        values = {"day": first, "later": first.replace(day=21), "format": format_, "nothing": None}
        assert template.render(Context(values)).split("|") == [words, later, ""]
        assert days.written(first, format_) == words
        assert "1er" not in later


def test_every_page_that_names_a_day_names_it_so() -> None:
    named = re.compile(r'\|date:"[^"]*\bj [FN]')
    pages = [page for page in Path("templates").rglob("*.html") if named.search(page.read_text())]
    assert len(pages) > 5
    assert [str(page) for page in pages if not re.search(r"{% load [^%]*\bsms\b", page.read_text())] == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", "Un point demande votre attention. Tout ce que vous avez saisi est conservé."),
        ("en", "One thing needs your attention. All you typed is kept."),
    ],
)
def test_the_heading_of_one_error_is_in_the_language_where_a_script_counts_too(language: str, words: str) -> None:
    form = SentFilter({"state": "x"})
    assert not form.is_valid()
    with translation.override(language):
        page = render_to_string("_errors.html", {"form": form})
    assert f'data-one="{words}"' in page
    assert page.count(words) == 2
