"""What operators take for a link or contact details in a message from a short number, and what they do not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compose.contact_details import contact_details
from compose.planning import plan
from senders.models import Sender
from tests import factories
from tests.factories import NOON


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Voir https://site.fr/promo?a=1, merci", "https://site.fr/promo?a=1"),
        ("HTTP://SITE.FR", "HTTP://SITE.FR"),
        ("ftp://site.fr", "ftp://site.fr"),
        ("(www.site.fr)", "www.site.fr"),
        ("Tout est sur site.fr.", "site.fr"),
        ("Tout est sur doctolib.fr.Merci", "doctolib.fr"),
        ("site.fr/promo !", "site.fr/promo"),
        ("SITE.COM", "SITE.COM"),
        ("Boulangerie.Fr", "Boulangerie.Fr"),
        ("café-martin.fr", "café-martin.fr"),
        ("«site.com»", "site.com"),
        ("boutique.be", "boutique.be"),
        ("a.b.co.uk", "a.b.co.uk"),
        ("bit.ly/2abc", "bit.ly/2abc"),
        ("promo.site.shop", "promo.site.shop"),
        ("wa.me/33612345678", "wa.me/33612345678"),
        ("t.co/x", "t.co/x"),
        ("contact@site.fr", "contact@site.fr"),
        ("mailto:a@b.fr", "a@b.fr"),
        ("jean.dupont+x@mail.example.co.uk ok", "jean.dupont+x@mail.example.co.uk"),
        ("06 12 34 56 78", "06 12 34 56 78"),
        ("Tél.0612345678", "0612345678"),
        ("appelez le 01.23.45.67.89", "01.23.45.67.89"),
        ("0 800 123 456", "0 800 123 456"),
        ("+1 212-555-1234", "+1 212-555-1234"),
    ],
)
def test_a_link_or_a_contact_is_found_as_it_stands(text: str, found: str) -> None:
    assert contact_details(text, "FR") == [found]


@pytest.mark.parametrize(
    "text",
    [
        "12.50",
        "12,50 €",
        "1 200 000 €",
        "M.Dupont",
        "Mme. Martin",
        "S.A.R.L Martin",
        "10h30",
        "10.30am",
        "v1.2",
        "2.0.1",
        "24.11.2026",
        "du 12.11 au 15.11",
        "25/12/2026 08:30-20:00",
        "etc...Merci",
        "C'est fini.Merci",
        "Entendu.De rien",
        "Je viens.Si possible demain",
        "demain.si possible",
        "dis.moi",
        "oui/non",
        "et/ou",
        "rdv @ 10h",
        "Node.js",
        "facture.pdf",
        "192.168.1.1",
        "12.fr",
        "n°12.345.678",
        "code 482913",
        "75001 Paris",
        "commande 612345678",
        "SIRET 732 829 320 00074",
        "FR76 3000 6000 0112 3456 7890 189",
        "p.ex. : a.m., p.m.",
        "www.",
        "http://",
        "STOP au 36111",
        "",
    ],
)
def test_a_full_stop_a_price_or_an_hour_is_no_link(text: str) -> None:
    assert contact_details(text, "FR") == []


def test_all_of_them_come_in_the_order_of_the_text_and_each_once() -> None:
    text = "site.fr/a.com puis x@y.fr, 0612345678 et www.a.fr/0612345679"
    assert contact_details(text, "FR") == ["site.fr/a.com", "x@y.fr", "0612345678", "www.a.fr/0612345679"]


def test_a_number_without_country_code_is_one_of_the_account() -> None:
    assert contact_details("(212) 555-1234", "US") == ["(212) 555-1234"]
    assert contact_details("(212) 555-1234", "FR") == []


@settings(deadline=None)
@given(st.text(st.sampled_from("ab.@/:-w0612 +frFRcom\u00e9"), max_size=200))
def test_whatever_is_typed_what_is_found_stands_in_the_text(text: str) -> None:
    for found in contact_details(text, "FR"):
        assert found
        assert found in text


# What the page says


@pytest.mark.django_db
def test_a_link_from_a_short_number_is_warned_about_and_may_be_sent() -> None:
    account = factories.account()
    draft = factories.draft(account, by=factories.pool(), body="Voir https://site.fr/promo et 06 12 34 56 78")
    [warning] = plan(draft, now=NOON).warnings
    assert "https://site.fr/promo, 06 12 34 56 78" in warning
    assert factories.submission(account, by=factories.pool(), body="Voir site.fr").recipients == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "value"), [("alphanumeric", "BoulMartin"), ("virtual", "+33937000001")])
def test_a_link_from_another_sender_is_not_warned_about(kind: str, value: str) -> None:
    account = factories.account()
    by = factories.sender(account, value, kind=Sender.Kind(kind))
    assert plan(factories.draft(account, by=by, body="Voir site.fr"), now=NOON).warnings == ()


@pytest.mark.django_db
def test_many_links_are_named_shortly() -> None:
    body = " ".join(f"https://site.fr/{number}{'x' * 50}" for number in range(5))
    [warning] = plan(factories.draft(factories.account(), by=factories.pool(), body=body), now=NOON).warnings
    assert warning.count("https://") == 3
    assert "x" * 40 not in warning


@pytest.mark.django_db
@pytest.mark.parametrize(("length", "warned"), [(8 * 153, False), (8 * 153 + 1, True)])
def test_a_message_of_more_than_eight_sms_is_warned_about_where_the_account_may_send_it(
    length: int, warned: bool
) -> None:
    draft = factories.draft(factories.account(max_parts=20), body="a" * length)
    assert ["9" in warning for warning in plan(draft, now=NOON).warnings] == [True] * warned
