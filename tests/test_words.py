"""Words that follow the reader's language where a catalogue alone cannot decide them."""

import pytest
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils import translation

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
