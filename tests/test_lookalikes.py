"""Names that could be taken for those of banks and authorities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senders.lookalikes import resembled, skeleton
from senders.models import ProtectedName

PROTECTED = ["Ameli", "Impots", "BNP", "BNP Paribas", "Crédit Agricole", "La Banque Postale", "ING", "CAF", "Colissimo"]


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("Ameli", "Ameli"),
        ("AMELI", "Ameli"),
        ("AmeIi", "Ameli"),
        ("Arneli", "Ameli"),
        ("4meli", "Ameli"),
        ("Ame1i", "Ameli"),
        ("Ameli-Info", "Ameli"),
        ("InfoAmeli", "Ameli"),
        ("Ameli.fr", "Ameli"),
        ("Amelie", "Ameli"),
        ("Amlei", "Ameli"),
        ("1mp0ts", "Impots"),
        ("impots.gouv", "Impots"),
        ("Impot", "Impots"),
        ("BNP", "BNP"),
        ("BNP-Info", "BNP"),
        ("InfoBNP", "BNP"),
        ("BNP2024", "BNP"),
        ("B.N.P", "BNP"),
        ("B.N.P. Info", "BNP"),
        ("Info C A F", "CAF"),
        ("I_N_G.alert", "ING"),
        ("BNPParibas", "BNP Paribas"),
        ("CreditAgric", "Crédit Agricole"),
        ("La Banque P", "La Banque Postale"),
        ("LaBanquePos", "La Banque Postale"),
        ("lNG", "ING"),
        ("Info CAF", "CAF"),
        ("C0lissim0", "Colissimo"),
        ("Colisimo", "Colissimo"),
    ],
)
def test_a_name_that_could_be_taken_for_a_protected_one_is_recognised(name: str, like: str) -> None:
    assert like in resembled(name, PROTECTED)


@pytest.mark.parametrize(
    "name",
    [
        "BoulMartin",
        "Fournil",
        "Clinique",
        "Cafeteria",
        "Shopping",
        "Camille",
        "Melanie",
        "Mairie",
        "B N Paris",
        "C A Fleurs",
    ],
)
def test_an_innocent_name_is_left_alone(name: str) -> None:
    assert resembled(name, ["BNP", "ING", "CAF", "Impots", "Colissimo"]) == []


def test_case_and_punctuation_change_nothing() -> None:
    assert {skeleton(name) for name in ("A-m.e l&i", "AMELI", "ameli", "AME1I", "Améli")} == {skeleton("Ameli")}


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,&+_-", max_size=11))
def test_any_sender_can_be_compared(name: str) -> None:
    assert set(resembled(name, PROTECTED)) <= set(PROTECTED)


@pytest.mark.django_db
def test_an_installation_begins_with_names_that_are_abused_most() -> None:
    names = set(ProtectedName.objects.values_list("name", flat=True))
    assert len(names) > 100
    assert {"Ameli", "ANTAI", "La Banque Postale", "Colissimo", "Caisse d'Epargne"} <= names
    assert not any(len(name) < 2 for name in names)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["BNPP", "BNPP-Info", "SocGen", "Socgen.fr", "S0cGen", "InfoSocGen"])
def test_banks_are_recognised_by_what_people_call_them_for_short(name: str) -> None:
    assert resembled(name, ProtectedName.objects.values_list("name", flat=True)) != []
