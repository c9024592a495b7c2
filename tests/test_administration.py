"""The administration: for staff only, senders waiting first, and ledger and messages to be read, never changed."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib import admin as administration
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from compose.models import GatewayEvent, Message, OptOut, Submission
from credits.models import Account, Member, Rate, Transfer
from inbox.models import Received
from senders.models import Sender, ShortNumber
from tests import factories
from tests.pages import browser_of, is_a_sentence, read, sentence

READ_ONLY = [Transfer, Message, Submission, OptOut, GatewayEvent, Received]
SENDERS = "/administration/senders/sender/"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def admin() -> Client:
    return browser_of(factories.user("root", superuser=True))


@pytest.fixture
def one_of_each(account: Account) -> None:
    """A row of every model that the administration shows."""
    factories.received(account)
    factories.message(account)
    factories.rate("BE", 1_200)
    factories.opt_out(account)
    factories.sender(account, "Waits", status=Sender.Status.WAITING)


def address(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def names(browser: Client) -> list[str]:
    """The senders in the order of the administration's list."""
    page = read(browser.get(SENDERS))
    return [row.one("th", **{"class": "field-name"}).text for row in page.one(id="result_list").one("tbody").all("tr")]


def act(browser: Client, action: str, *chosen: Sender, **more: str) -> Any:
    """Choose senders in the list and press an action."""
    fields: dict[str, Any] = {"action": action, "_selected_action": [sender.pk for sender in chosen], **more}
    return browser.post(SENDERS, fields, follow=True)


def test_nobody_is_asked_to_sign_in_on_the_products_page_and_comes_back(account: Account) -> None:
    person = factories.user("root", superuser=True)
    browser = browser_of()
    answer = browser.get(SENDERS, follow=True)
    fields = read(answer).form(reverse("login")).typed(username="root", password=factories.PASSWORD)
    answer = browser.post(reverse("login"), fields, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain[-1][0] == SENDERS
    assert person.is_staff


@pytest.mark.parametrize("role", ["owner", "sender", "reader", "none"])
def test_only_staff_come_in_and_others_are_told_so(account: Account, role: str) -> None:
    person = factories.user() if role == "none" else factories.member(account, role).user
    browser = browser_of(person)
    assert read(browser.get("/account/none/", follow=True)).all("a", href="/administration/") == []
    for page in (reverse("admin:index"), SENDERS, address(Account, "changelist"), "/administration/login/"):
        answer = browser.get(page, follow=True)
        assert answer.status_code == 403
        assert is_a_sentence(read(answer).one("main").all("p")[0].text)


def test_staff_find_the_administration_in_the_menu(account: Account) -> None:
    person = factories.member(account, Member.Role.READER).user
    person.is_staff = True
    person.save()
    assert len(read(browser_of(person).get("/")).all("a", href="/administration/")) == 1


@pytest.mark.parametrize("page", ["index", "login"])
def test_an_administrator_who_opens_the_sign_in_page_of_the_administration_is_let_in(admin: Client, page: str) -> None:
    answer = admin.get(reverse(f"admin:{page}"), follow=True)
    assert answer.status_code == 200
    assert answer.wsgi_request.path == "/administration/"


def test_the_sign_in_page_of_the_administration_leads_never_back_to_itself(admin: Client) -> None:
    itself = reverse("admin:login")
    answer = admin.get(itself, {"next": f"{itself}?next={itself}"})
    assert answer.headers["Location"] == reverse("admin:index")


def test_ledger_lines_of_an_account_with_an_endless_number_are_all_lines(admin: Client) -> None:
    assert admin.get(address(Transfer, "changelist"), {"account": "9" * 40}).status_code == 200


@pytest.mark.usefixtures("one_of_each")
def test_every_list_and_every_form_of_the_administration_opens(admin: Client) -> None:
    for model, options in administration.site._registry.items():
        answers = [admin.get(address(model, "changelist"), {"q": "a"}), admin.get(address(model, "changelist"))]
        if row := model._default_manager.order_by("pk").last():
            answers += [admin.get(address(model, page, row.pk)) for page in ("change", "history")]
        if options.has_add_permission(answers[0].wsgi_request):
            answers.append(admin.get(address(model, "add")))
        for answer in answers:
            assert answer.status_code in (200, 302), answer.wsgi_request.path
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            if answer.status_code == 200:
                page = read(answer)
                assert [s for s in page.all("script") if s.text.strip() and "json" not in s.attributes["type"]] == []
                assert [e for e in page.all() if "onclick" in e.attributes] == []


@pytest.mark.usefixtures("one_of_each")
@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_what_happened_is_read_and_never_changed_not_even_by_a_superuser(admin: Client, model: Any) -> None:
    row = model.objects.order_by("pk").last()
    before = list(model.objects.order_by("pk").values())
    assert admin.get(address(model, "changelist")).status_code == 200
    page = read(admin.get(address(model, "change", row.pk)))
    assert page.one("main").all("input", type="submit") == []
    assert page.one("main").all("select") == page.one("main").all("textarea") == []
    for name, args in [("add", ()), ("change", (row.pk,)), ("delete", (row.pk,))]:
        fields = {"amount": "1", "state": "delivered", "text": "x", "post": "yes", "_save": "Save"}
        assert admin.post(address(model, name, *args), fields).status_code == 403, name
    for name in ("add", "delete"):
        assert admin.get(address(model, name, *([row.pk] if name == "delete" else []))).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    admin.post(address(model, "changelist"), chosen)
    assert list(model.objects.order_by("pk").values()) == before


def test_an_account_is_never_deleted(account: Account, admin: Client) -> None:
    assert admin.post(address(Account, "delete", account.pk), {"post": "yes"}).status_code == 403
    admin.post(
        address(Account, "changelist"),
        {"action": "delete_selected", "_selected_action": [account.pk], "post": "yes"},
    )
    assert Account.objects.filter(pk=account.pk).exists()


def test_a_person_who_did_something_is_not_deleted_with_what_they_did(account: Account, admin: Client) -> None:
    factories.message(account)
    person = factories.owner(account)
    answer = admin.post(reverse("admin:auth_user_delete", args=[person.pk]), {"post": "yes"})
    assert answer.status_code == 200
    assert Message.objects.exists()
    assert Submission.objects.get().created_by == person


def test_staff_see_only_what_they_were_given(account: Account) -> None:
    person = factories.user()
    person.is_staff = True
    person.save()
    person.user_permissions.add(Permission.objects.get(codename="view_transfer"))
    browser = browser_of(person)
    assert browser.get(address(Transfer, "changelist")).status_code == 200
    for page in (SENDERS, address(Account, "changelist"), address(Received, "changelist")):
        assert browser.get(page).status_code == 403


def test_senders_that_wait_come_first(account: Account, admin: Client) -> None:
    for number, status in enumerate(["waiting", "enabled", "refused", "disabled", "waiting", "enabled"]):
        with time_machine.travel(factories.NOON.replace(minute=number), tick=False):
            factories.sender(account, f"{number} {status}", status=status)
    assert names(admin) == [
        "4 waiting",
        "0 waiting",
        "5 enabled",
        "3 disabled",
        "2 refused",
        "1 enabled",
        "Short number that can be answered",
    ]


def test_an_approved_sender_can_be_used_at_once(account: Account, admin: Client) -> None:
    one, two = (factories.sender(account, f"Name {n}", status=Sender.Status.WAITING) for n in "AB")
    page = read(act(admin, "approve", one, two))
    assert "2 senders are enabled." in page.text
    one.refresh_from_db()
    assert (one.status, str(one.decided_by), one.decided_at) == (Sender.Status.ENABLED, "root", factories.NOON)
    compose = read(browser_of(factories.owner(account)).get("/"))
    assert {"Name A", "Name B"} <= {option.text for option in compose.one("select", name="sender").all("option")}
    (logged,) = read(admin.get(address(Sender, "history", one.pk))).one("tbody").all("tr")
    assert "root" in logged.text


def test_a_refusal_asks_for_a_reason_that_the_requester_reads(account: Account, admin: Client) -> None:
    asked = factories.sender(account, "INFO", status=Sender.Status.WAITING)
    page = read(act(admin, "refuse", asked))
    assert "INFO" in sentence(page)
    asked.refresh_from_db()
    assert asked.status == Sender.Status.WAITING
    # Without a reason it asks again.
    assert "This field is required." in read(act(admin, "refuse", asked, refuse="Refuse", reason=" ")).text
    script = "<script>alert(1)</script>"
    answer = act(admin, "refuse", asked, refuse="Refuse", reason=f"Not your company's name. {script}")
    assert "1 sender is refused." in read(answer).text
    asked.refresh_from_db()
    assert (asked.status, str(asked.decided_by)) == (Sender.Status.REFUSED, "root")
    said = sentence(read(browser_of(factories.owner(account)).get("/senders/")))
    assert f"Not your company's name. {script}" in said
    assert "INFO" not in read(browser_of(factories.owner(account)).get("/")).one("select", name="sender").text


@pytest.mark.parametrize(("verb", "asks"), [("approve", False), ("refuse", True)])
def test_a_request_is_decided_on_its_own_page(account: Account, admin: Client, verb: str, asks: bool) -> None:
    asked = factories.sender(account, "Martin", status=Sender.Status.WAITING)
    page = read(admin.get(address(Sender, "change", asked.pk)))
    decision = page.form(SENDERS)
    assert [button.attributes["value"] for button in decision.element.all("button")] == ["approve", "refuse"]
    answer = admin.post(SENDERS, decision.typed() | {"action": verb}, follow=True)
    assert ("Martin" in sentence(read(answer)) and "Leave them waiting" in read(answer).text) == asks
    asked.refresh_from_db()
    assert asked.status == (Sender.Status.WAITING if asks else Sender.Status.ENABLED)


def test_what_is_decided_offers_no_decision_on_its_page(account: Account, admin: Client) -> None:
    enabled = factories.sender(account, "Enabled")
    page = read(admin.get(address(Sender, "change", enabled.pk)))
    assert page.all("form", action=SENDERS) == []


def test_a_status_that_does_not_allow_it_is_named_and_left(account: Account, admin: Client) -> None:
    enabled = factories.sender(account, "Enabled")
    waiting = factories.sender(account, "Waiting", status=Sender.Status.WAITING)
    page = read(act(admin, "refuse", enabled, waiting, refuse="Refuse", reason="No"))
    assert "Enabled was left as it is: its status is “Enabled”." in page.text
    assert "1 sender is refused." in page.text
    enabled.refresh_from_db()
    assert enabled.status == Sender.Status.ENABLED
    assert "was left as it is" in read(act(admin, "approve", enabled)).text


def test_a_refused_sender_can_be_approved_after_all(account: Account, admin: Client) -> None:
    asked = factories.sender(account, status=Sender.Status.REFUSED)
    act(admin, "approve", asked)
    asked.refresh_from_db()
    assert (asked.status, asked.refusal_reason) == (Sender.Status.ENABLED, "")


def test_who_may_only_look_at_senders_decides_nothing(account: Account) -> None:
    asked = factories.sender(account, status=Sender.Status.WAITING)
    person = factories.user()
    person.is_staff = True
    person.save()
    person.user_permissions.add(Permission.objects.get(codename="view_sender"))
    act(browser_of(person), "approve", asked)
    asked.refresh_from_db()
    assert asked.status == Sender.Status.WAITING


@pytest.mark.parametrize("number", ["", "36", "abc", "123456789", "36111"])
def test_a_short_number_that_is_none_or_there_already_is_refused(admin: Client, number: str) -> None:
    before = ShortNumber.objects.count()
    fields = {"number": number, "country": "FR", "use": "other", "enabled": "on"}
    assert admin.post(address(ShortNumber, "add"), fields).status_code == 200
    assert ShortNumber.objects.count() == before


@pytest.mark.parametrize("millis", ["0", "-1", "", "x"])
def test_a_rate_of_nothing_is_refused(admin: Client, millis: str) -> None:
    fields = {"region": "BE", "millis": millis, "valid_from_0": "2026-01-01", "valid_from_1": "00:00"}
    assert admin.post(address(Rate, "add"), fields).status_code == 200
    assert not Rate.objects.exists()
    assert admin.post(address(Rate, "add"), fields | {"millis": "400"}).status_code == 302
    assert Rate.objects.get().millis == 400


@pytest.mark.parametrize("changes", [{"time_zone": "Europe/Nowhere"}, {"max_parts": "0"}, {"max_parts": "256"}])
def test_an_account_that_could_not_work_is_refused(account: Account, admin: Client, changes: dict[str, str]) -> None:
    fields = {
        "name": "A",
        "country": "FR",
        "time_zone": "Europe/Paris",
        "max_parts": "8",
        "members-TOTAL_FORMS": "0",
        "members-INITIAL_FORMS": "0",
    }
    assert admin.post(address(Account, "add"), fields | changes).status_code == 200
    assert Account.objects.count() == 1


@pytest.mark.parametrize("query", ["?state__exact=%00", "?gateway=%00", "?q=%00"])
def test_an_address_with_what_no_text_can_hold_is_a_bad_request(admin: Client, query: str) -> None:
    assert admin.get(reverse("admin:compose_message_changelist") + query).status_code == 400


def test_a_row_without_a_key_is_no_row(admin: Client) -> None:
    messages = reverse("admin:compose_message_changelist")
    for ticked in ("abc", "9" * 19, "\0", ""):
        answer = admin.post(messages, {"action": "doubt_confirm", "_selected_action": ["1", ticked]})
        assert answer.status_code == 400
