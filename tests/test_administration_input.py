"""What the administration refuses to keep: it would break the pages of others."""

import pytest
from django.test import Client
from django.utils import timezone

from credits.models import Account, Member, Rate
from senders.models import Sender, ShortNumber
from tests import factories
from tests.pages import browser_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    person = factories.user("administrator")
    person.is_staff = person.is_superuser = True
    person.save()
    return browser_of(person)


@pytest.fixture
def account() -> Account:
    return factories.account()


def test_a_rate_for_no_country_is_refused_and_a_country_is_chosen_by_its_name(admin: Client) -> None:
    page = admin.get("/administration/credits/rate/add/").content.decode()
    assert '<option value="IN">India</option>' in page
    moment = {"millis": "400", "valid_from_0": "2026-01-01", "valid_from_1": "00:00"}
    refused = admin.post("/administration/credits/rate/add/", {"region": "in", **moment})
    assert refused.status_code == 200
    assert "“in” is not the two capital letters of a country" in refused.content.decode()
    assert not Rate.objects.exists()
    assert admin.post("/administration/credits/rate/add/", {"region": "IN", **moment}).status_code == 302
    assert Rate.objects.get().region == "IN"
    assert "India (IN)" in admin.get("/administration/credits/rate/").content.decode()


@pytest.mark.parametrize(
    "changes", [{"millis": "0"}, {"millis": "9" * 18}, {"valid_from_0": "0001-01-01"}, {"valid_from_0": "9" * 9}]
)
def test_a_rate_beyond_reason_is_refused(admin: Client, changes: dict[str, str]) -> None:
    fields = {"region": "FR", "millis": "1000", "valid_from_0": "2026-01-01", "valid_from_1": "00:00"}
    assert admin.post("/administration/credits/rate/add/", fields | changes).status_code == 200
    assert not Rate.objects.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"country": "zz"}, "is not the two capital letters of a country"),
        ({"time_zone": "Paris"}, "is not a known time zone"),
        ({"members-0-mobile": "not a number"}, "This is not a mobile number"),
        ({"members-0-mobile": "+33112345678"}, "This is not a mobile number"),
    ],
)
def test_an_account_keeps_only_a_country_a_zone_and_mobile_numbers_that_exist(
    admin: Client, changes: dict[str, str], sentence: str
) -> None:
    person = factories.user("person")
    fields = {
        "name": "Atelier",
        "country": "FR",
        "time_zone": "Europe/Paris",
        "max_parts": "8",
        "members-TOTAL_FORMS": "1",
        "members-INITIAL_FORMS": "0",
        "members-0-user": str(person.pk),
        "members-0-role": "owner",
        "members-0-mobile": "+33612345678",
    }
    refused = admin.post("/administration/credits/account/add/", fields | changes)
    assert refused.status_code == 200
    assert sentence in refused.content.decode()
    assert not Account.objects.exists()
    assert admin.post("/administration/credits/account/add/", fields).status_code == 302
    assert Member.objects.get().mobile == "+33612345678"


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        ("alphanumeric", "ÉÉÉ!!!", "A name has 1 to 11 characters"),
        ("alphanumeric", "12345", "A name needs at least one letter"),
        ("virtual", "12", "This is not a valid number"),
        ("short", "36", "A short number has 3 to 8 digits"),
        ("alphanumeric", "Taken", "This account has this sender already"),
    ],
)
def test_a_sender_of_the_administration_follows_the_rules_of_a_request(
    admin: Client, account: Account, kind: str, value: str, sentence: str
) -> None:
    factories.sender(account, "Taken")
    fields = {"account": str(account.pk), "kind": kind, "value": value, "description": "", "justification": ""}
    refused = admin.post("/administration/senders/sender/add/", fields)
    assert refused.status_code == 200
    assert sentence in refused.content.decode()
    assert Sender.objects.filter(account=account).count() == 1


def test_a_sender_of_the_administration_needs_an_account(admin: Client) -> None:
    fields = {"account": "", "kind": "alphanumeric", "value": "Shop", "description": "", "justification": ""}
    refused = admin.post("/administration/senders/sender/add/", fields)
    assert "Choose the account that the sender is for." in refused.content.decode()
    assert not Sender.objects.exclude(account=None).exists()


def test_a_sender_of_the_administration_waits_for_approval_and_its_number_is_kept_in_e164(
    admin: Client, account: Account
) -> None:
    fields = {
        "account": str(account.pk),
        "kind": "virtual",
        "value": "06 12 34 56 78",
        "description": "",
        "justification": "",
    }
    assert admin.post("/administration/senders/sender/add/", fields).status_code == 302
    made = Sender.objects.get(account=account)
    assert (made.value, made.status) == ("+33612345678", "waiting")
    assert made.requested_by is not None
    # Its history begins as that of one which was asked for.
    assert [(change.verb, change.by) for change in made.changes.all()] == [("requested", made.requested_by)]


def test_an_approved_sender_cannot_become_another_one(admin: Client, account: Account) -> None:
    sender = factories.sender(account, "Approved")
    fields = {
        "account": str(factories.account(name="Other").pk),
        "kind": "short",
        "value": "Bank",
        "description": "New words",
        "justification": "",
        "changes-TOTAL_FORMS": "0",
        "changes-INITIAL_FORMS": "0",
    }
    assert admin.post(f"/administration/senders/sender/{sender.pk}/change/", fields).status_code == 302
    sender.refresh_from_db()
    assert (sender.account, sender.kind, sender.value) == (account, "alphanumeric", "Approved")
    assert sender.description == "New words"


def test_a_short_number_belongs_to_a_country(admin: Client) -> None:
    before = ShortNumber.objects.count()
    fields = {"number": "38200", "country": "xx", "use": "other", "enabled": "on"}
    refused = admin.post("/administration/senders/shortnumber/add/", fields)
    assert "is not the two capital letters of a country" in refused.content.decode()
    assert ShortNumber.objects.count() == before


@pytest.mark.parametrize("account_id", ["9" * 23, "0", "nonsense", "-1"])
def test_the_ledger_of_no_account_is_empty(admin: Client, account: Account, account_id: str) -> None:
    factories.grant(account, 1000)
    page = admin.get(f"/administration/credits/transfer/?account={account_id}")
    assert page.status_code == 200
    assert "result_list" not in page.content.decode()


def test_a_ledger_line_and_a_message_show_what_they_are(admin: Client, account: Account) -> None:
    line = factories.grant(account, 250_000)
    page = admin.get(f"/administration/credits/transfer/{line.pk}/change/").content.decode()
    assert f"{timezone.localtime(line.created_at).year}" in page
    assert ">250<" in page.replace("\n", "").replace(" ", "")
    message = factories.message(account)
    page = admin.get(f"/administration/compose/message/{message.pk}/change/").content.decode()
    assert message.submission.text in page
    assert "France" in page
