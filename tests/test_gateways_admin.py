"""The administration of gateways: how each is, pausing and trying it, routes, and the codes that nobody knows."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format

from compose import breakers, vendor_codes
from compose.gateways.base import NotSent, OutOfFunds
from compose.models import GatewayState, Message, Route, VendorCode
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON
from tests.gateways_for_tests import ScriptedGateway, scripted_gateways, take_all
from tests.pages import Element, browser_of, is_a_sentence, read

GATEWAYS = "/administration/compose/gatewaystate/"
ROUTES = "/administration/compose/route/"
CODES = "/administration/compose/vendorcode/"


@pytest.fixture(autouse=True)
def gateways(db: None) -> Iterator[dict[str, ScriptedGateway]]:
    with time_machine.travel(NOON, tick=False), scripted_gateways(default={}, spare={}) as made:
        yield made


@pytest.fixture
def admin() -> Client:
    return browser_of(factories.user("root", superuser=True))


def rows(page: Element) -> dict[str, dict[str, str]]:
    """What the list says of each gateway, by the names of its columns."""
    found = {}
    for row in page.one(id="result_list").one("tbody").all("tr"):
        cells = {
            cell.attributes["class"].split()[0].removeprefix("field-"): cell
            for cell in row.children
            if cell != "\n" and isinstance(cell, Element)
        }
        found[cells["name"].text] = {name: cell.text for name, cell in cells.items()}
    return found


def act(browser: Client, action: str, *names: str, **more: str) -> Any:
    """Choose gateways in the list and press an action."""
    chosen = list(GatewayState.objects.filter(name__in=names).values_list("pk", flat=True))
    return browser.post(GATEWAYS, {"action": action, "_selected_action": chosen, **more}, follow=True)


def test_every_configured_gateway_is_there_though_it_was_never_heard_of(admin: Client) -> None:
    GatewayState.objects.create(name="gone")
    found = rows(read(admin.get(GATEWAYS)))
    assert list(found) == ["default", "spare"]
    assert {one["how"] for one in found.values()} == {"Works"}
    assert found["default"]["backend"] == "tests.gateways_for_tests.ScriptedGateway"
    assert found["default"]["waiting"] == "0"


def test_one_that_rests_says_since_when_why_when_it_is_tried_and_how_many_wait(admin: Client) -> None:
    for _time in range(5):
        breakers.report("default", [NotSent("connection refused")], now=NOON)
    factories.submission(factories.account(), to=7)
    dispatch_due()
    vendor_codes.seen("default", where="answer", codes={"E1": 1, "E2": 1}, now=NOON)
    page = read(admin.get(GATEWAYS))
    row = rows(page)["default"]
    noon = date_format(timezone.localtime(NOON), "DATETIME_FORMAT")
    # Each thing is a line of its own in the cell.
    row = {column: text.replace("\N{NO-BREAK SPACE}", " ") for column, text in row.items()}
    assert row["how"] == f"Out of ordersince {noon}next try {noon}failures in a row: 5"
    assert row["last_error"] == (
        f"The operator cannot be reached. The message will be tried again.connection refused{noon}"
    )
    assert row["waiting"] == "7"
    link = page.one("a", href=f"{CODES}?gateway__exact=default")
    assert link.text == "2"
    assert admin.get(link.attributes["href"]).status_code == 200


def test_in_french_the_first_of_a_month_is_written_as_the_pages_write_it(admin: Client) -> None:
    with time_machine.travel(NOON + timedelta(days=7), tick=False):
        breakers.pause("default", by=None, reason="travaux")
        admin.post("/language/", {"language": "fr"})
        how = rows(read(admin.get(GATEWAYS)))["default"]["how"]
    assert how.replace("\N{NO-BREAK SPACE}", " ").endswith("depuis le 1er décembre 2026 12:00")


def test_one_that_never_failed_says_when_it_worked_last(admin: Client, gateways: dict[str, ScriptedGateway]) -> None:
    gateways["default"].script = take_all
    factories.submission(factories.account())
    dispatch_due()
    assert rows(read(admin.get(GATEWAYS)))["default"]["last_success"] == date_format(
        timezone.localtime(NOON), "DATETIME_FORMAT"
    )


def test_the_page_costs_the_same_whatever_the_number_of_gateways_and_messages(admin: Client) -> None:
    def cost() -> int:
        admin.get(GATEWAYS)
        with CaptureQueriesContext(connection) as queries:
            admin.get(GATEWAYS)
        return len(queries)

    with scripted_gateways(default={}):
        few = cost()
    factories.submission(factories.account(), to=30)
    with scripted_gateways(default={}, one={}, two={}, three={}):
        assert cost() == few


def test_an_administrator_pauses_a_gateway_for_a_reason_and_lets_it_go_on(admin: Client) -> None:
    admin.get(GATEWAYS)
    asked = read(act(admin, "pause", "default"))
    assert "default" in asked.one(id="content-main").text
    assert (
        read(act(admin, "pause", "default", pause="Pause", reason=" "))
        .one(id="content-main")
        .all("ul", **{"class": "errorlist"})
    )
    assert GatewayState.objects.filter(paused_at=None).count() == 2
    page = read(act(admin, "pause", "default", pause="Pause", reason="Invoice of May"))
    assert "1 gateway is paused." in page.text
    assert rows(page)["default"]["how"].startswith("Paused by root: Invoice of May")
    message = factories.message(factories.account())
    dispatch_due()
    factories.assert_message(message, Message.State.SCHEDULED, "gateway_paused")
    assert is_a_sentence(str(message.reason_sentence).replace("’", "'").replace("L'a", "La"))
    page = read(act(admin, "resume", "default", "spare"))
    assert "1 gateway goes on." in page.text
    assert "The gateway “spare” was left as it is: this does not fit its status." in page.text
    dispatch_due()
    factories.assert_message(message, Message.State.ACCEPTED)
    assert list(LogEntry.objects.order_by("pk").values_list("object_repr", "change_message")) == [
        ("default", "paused: Invoice of May"),
        ("default", "resumed"),
    ]


def test_an_administrator_tries_one_now(admin: Client) -> None:
    breakers.report("default", [OutOfFunds("empty")], now=NOON)
    message = factories.message(factories.account())
    dispatch_due()
    factories.assert_message(message, Message.State.SCHEDULED, "out_of_funds")
    assert "1 gateway is tried with the next message." in read(act(admin, "try_now", "default")).text
    dispatch_due()
    factories.assert_message(message, Message.State.ACCEPTED)
    assert GatewayState.objects.get(name="default").state == "closed"


def test_who_may_only_look_pauses_nothing() -> None:
    person = factories.user("looks")
    person.is_staff = True
    person.save()
    person.user_permissions.add(Permission.objects.get(codename="view_gatewaystate"))
    browser = browser_of(person)
    assert "default" in rows(read(browser.get(GATEWAYS)))
    act(browser, "pause", "default", pause="Pause", reason="No right")
    assert not GatewayState.objects.exclude(paused_at=None).exists()
    assert browser_of(factories.user()).get(GATEWAYS, follow=True).status_code == 403


def test_a_gateway_whose_settings_are_wrong_says_so(admin: Client, settings: Any) -> None:
    settings.SMS_GATEWAYS = {**settings.SMS_GATEWAYS, "wrong": {"BACKEND": "shop.sms.MyGateway"}}
    found = rows(read(admin.get(GATEWAYS)))["wrong"]
    assert found["how"] == "Its settings are wrong: “manage.py check” says why."
    assert found["backend"] == "shop.sms.MyGateway"


def test_a_route_is_made_with_the_configured_gateways_to_choose_from(admin: Client) -> None:
    page = read(admin.get(f"{ROUTES}add/"))
    assert [option.text for option in page.one("select", name="gateway").all("option")] == ["default", "spare"]
    assert "the one with the lowest priority goes first" in page.one("main").text
    regions = [option.attributes["value"] for option in page.one("select", name="region").all("option")]
    assert regions[0] == ""
    assert "BE" in regions
    fields = {
        "priority": "5",
        "gateway": "spare",
        "region": "BE",
        "commercial": "unknown",
        "enabled": "on",
        "note": "n",
    }
    admin.post(f"{ROUTES}add/", fields)
    made = Route.objects.get()
    assert (made.priority, made.gateway, made.region, made.commercial, made.enabled) == (5, "spare", "BE", None, True)
    assert made.kind == made.message_class == ""
    assert (made.account, made.sender) == (None, None)
    assert "Destination: Belgium (BE)" in read(admin.get(ROUTES)).one(id="result_list").text
    refused = admin.post(f"{ROUTES}add/", {**fields, "gateway": "gone"})
    assert refused.status_code == 200
    assert Route.objects.count() == 1
    admin.post(f"{ROUTES}{made.pk}/delete/", {"post": "yes"})
    assert not Route.objects.exists()


def test_a_route_to_a_gateway_that_is_gone_says_so_and_can_still_be_changed(admin: Client) -> None:
    gone = Route.objects.create(gateway="gone")
    assert "gone (not configured: passed over)" in read(admin.get(ROUTES)).one(id="result_list").text
    page = read(admin.get(f"{ROUTES}{gone.pk}/change/"))
    options = page.one("select", name="gateway").all("option")
    assert [option.text for option in options] == ["default", "spare", "gone"]


def test_unknown_codes_are_read_and_never_changed(admin: Client) -> None:
    vendor_codes.seen("default", where="report", codes={"<b>E1</b>": 3}, now=NOON)
    answer = admin.get(CODES)
    assert "<b>E1</b>" in read(answer).one(id="result_list").text
    assert b"<b>E1" not in answer.content
    row = VendorCode.objects.get()
    assert admin.post(f"{CODES}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get(f"{CODES}add/").status_code == 403
