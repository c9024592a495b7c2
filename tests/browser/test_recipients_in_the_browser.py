"""The recipients as chips: typed, pasted, corrected, removed, thousands of them, with a network that fails."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.installation import mark, sign_in, type_recipients
from tests.browser.test_look import open_context, too_wide, violations
from tests.fixtures.instances import Running

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WORDS = {
    "fr-FR": {
        "reason": "Il manque des chiffres",
        "two": "2 destinataires",
        "wrong": "1 numéro à corriger",
        "merged": "1 numéro était déjà là",
        "many": "9 998 destinataires (France 9 900 · Belgique 98)",
        "more": "et 9 978 autres",
        "more wrong": "et 5 autres à corriger",
        "emptied": "10 023 destinataires ont été retirés.",
        "unread": "1 numéro n’a pas pu être vérifié",
        "country": "France",
        "not reached": "BoulMartin — n’atteint pas : États-Unis",
        "united states": "États-Unis",
        "remove": "Retirer +33 6 12 34 56 78",
        "edit": "Corriger 06 12",
    },
    "en-GB": {
        "reason": "The number has too few digits.",
        "two": "2 recipients",
        "wrong": "1 number needs correction",
        "merged": "1 number was there already",
        "many": "9,998 recipients (France 9,900 · Belgium 98)",
        "more": "and 9,978 more",
        "more wrong": "and 5 more to correct",
        "emptied": "10,023 recipients were removed.",
        "unread": "1 number could not be checked",
        "country": "France",
        "not reached": "BoulMartin — does not reach: United States",
        "united states": "United States",
        "remove": "Remove +33 6 12 34 56 78",
        "edit": "Correct 06 12",
    },
}
LANGUAGES = pytest.mark.parametrize("locale", list(WORDS))
# What an empty field is after something was typed into it as a person does, or put on the clipboard.
PASTE = """(target, text) => {
    const data = new DataTransfer();
    data.setData("text/plain", text);
    target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""
LONG_LIST = "\n".join(
    [
        *(f"+33612{number:06d}" for number in range(9_900)),
        *(f"+32470{number:06d}" for number in range(98)),
        *(f"06 {number}" for number in range(10, 35)),
    ]
)


def spaces(text: str) -> str:
    """The text with every space an ordinary one: numbers and colons have others before them in French."""
    return re.sub(r"\s+", " ", text)


def chips(page: Page) -> Locator:
    return page.locator("[data-chips-list] .chip")


def shows(page: Page, numbers: list[str]) -> None:
    """The chips come to show these numbers."""
    expect(page.locator("[data-chip-number]")).to_have_text(numbers)


def posts(page: Page, lines: list[str]) -> None:
    """The form comes to have these lines as its recipients."""
    expect(page.locator("[name=recipients]")).to_have_value("\n".join(lines))


def posts_so_many(page: Page, lines: int) -> None:
    """The form comes to have so many lines as its recipients."""
    expect(page.locator("[name=recipients]")).to_have_value(re.compile(rf"^([^\n]+\n){{{lines - 1}}}[^\n]+$"))


def says(page: Page, part: str, text: str) -> None:
    """The part of the field comes to say this."""
    pattern = re.compile(r"\s+".join(map(re.escape, text.split())))
    expect(page.locator(f"[data-chips-{part}]")).to_contain_text(pattern)


def field(page: Page, running: Running) -> Locator:
    """Signed in: the empty field, where a person begins to type."""
    sign_in(page, running)
    expect(page.locator("[data-chips]")).to_be_visible()
    page.locator("#id_recipients").click()
    return page.locator("#id_recipients")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def paste(field: Locator, text: str) -> None:
    field.focus()
    field.evaluate(PASTE, text)


@LANGUAGES
@pytest.mark.parametrize("end", ["Enter", ",", ";", "Tab"])
def test_a_typed_number_becomes_a_chip_with_its_country_when_it_is_ended(
    page: Page, running: Running, locale: str, end: str
) -> None:
    field(page, running)
    page.keyboard.type("06 12 34 56 78")
    expect(chips(page)).to_have_count(0)
    # A space ends no number, and what is typed is there to be sent already.
    expect(page.locator("[name=recipients]")).to_have_value("06 12 34 56 78")
    press(page, end)
    chip = chips(page)
    expect(chip.locator("[data-chip-number]")).to_have_text("+33 6 12 34 56 78")
    expect(chip.locator("[data-chip-code]")).to_have_text("FR")
    expect(chip.locator("[data-chip-main]")).to_have_accessible_name(f"+33 6 12 34 56 78 , {WORDS[locale]['country']}")
    expect(page.get_by_role("button", name=WORDS[locale]["remove"])).to_have_count(1)
    posts(page, ["+33612345678"])
    if end == "Tab":
        expect(page.locator("#id_recipients")).not_to_be_focused()
    else:
        expect(page.locator("#id_recipients")).to_be_focused()
        expect(page.locator("#id_recipients")).to_have_value("")


@LANGUAGES
def test_a_wrong_number_says_why_and_is_corrected_in_its_place(page: Page, running: Running, locale: str) -> None:
    field(page, running)
    page.keyboard.type("06 98 76 54 32,06 12,+32 470 12 34 56,")
    wrong = page.locator("[data-chips-list] [data-state=wrong]")
    expect(wrong).to_have_count(1)
    expect(wrong.locator("[data-chip-reason]")).to_contain_text(WORDS[locale]["reason"])
    main = wrong.locator("[data-chip-main]")
    expect(main).to_have_accessible_description(re.compile(re.escape(WORDS[locale]["reason"])))
    says(page, "summary", WORDS[locale]["two"])
    says(page, "summary", WORDS[locale]["wrong"])
    says(page, "said", WORDS[locale]["wrong"])
    posts(page, ["+33698765432", "06 12", "+32470123456"])

    main.click()
    edited = page.get_by_role("textbox", name=WORDS[locale]["edit"])
    expect(edited).to_be_focused()
    expect(edited).to_have_value("06 12")
    page.keyboard.type(" 34 56 78")
    expect(page.locator("[name=recipients]")).to_have_value("+33698765432\n06 12 34 56 78\n+32470123456")
    press(page, "Enter")
    expect(wrong).to_have_count(0)
    expect(chips(page).nth(1).locator("[data-chip-main]")).to_be_focused()
    shows(page, ["+33 6 98 76 54 32", "+33 6 12 34 56 78", "+32 470 12 34 56"])
    posts(page, ["+33698765432", "+33612345678", "+32470123456"])


@pytest.mark.parametrize("opening", ["Enter", "F2", "Space"])
def test_a_chip_is_opened_by_key_and_left_as_it_was_by_escape(page: Page, running: Running, opening: str) -> None:
    field(page, running)
    page.keyboard.type("06 12 34 56 78,")
    expect(page.locator("[data-state=valid]")).to_have_count(1)
    press(page, "ArrowLeft", opening)
    edited = page.locator(".chip-edit")
    expect(edited).to_be_focused()
    expect(edited).to_have_value("+33 6 12 34 56 78")
    page.keyboard.type("99")
    press(page, "Escape")
    expect(chips(page).locator("[data-chip-main]")).to_be_focused()
    shows(page, ["+33 6 12 34 56 78"])
    posts(page, ["+33612345678"])


def test_a_correction_is_kept_when_the_field_is_left_and_an_emptied_one_is_removed(
    page: Page, running: Running
) -> None:
    field(page, running)
    page.keyboard.type("06 12,06 13,")
    expect(page.locator("[data-state=wrong]")).to_have_count(2)
    chips(page).first.locator("[data-chip-main]").click()
    page.keyboard.type(" 34 56 78")
    page.locator("[name=text]").click()
    expect(page.locator("[data-state=valid]")).to_have_count(1)
    chips(page).last.locator("[data-chip-main]").click()
    page.locator(".chip-edit").fill("")
    press(page, "Enter")
    expect(chips(page)).to_have_count(1)
    posts(page, ["+33612345678"])
    assert page.evaluate("document.activeElement.closest('[data-chips]') !== null")


def test_the_arrows_move_and_a_removed_chip_never_loses_the_focus(page: Page, running: Running) -> None:
    entry = field(page, running)
    paste(entry, "0612340001\n0612340002\n0612340003\n0612340004")
    expect(page.locator("[data-state=valid]")).to_have_count(4)

    def focused() -> str:
        return str(page.evaluate("document.activeElement.querySelector('[data-chip-number]')?.textContent ?? ''"))[-2:]

    press(page, "Backspace")
    assert focused() == "04"
    press(page, "ArrowLeft", "ArrowLeft")
    assert focused() == "02"
    press(page, "Home")
    assert focused() == "01"
    press(page, "ArrowLeft")
    assert focused() == "01"
    press(page, "ArrowRight", "Delete")
    # The next one comes into its place, or the one before when there is none.
    assert focused() == "03"
    press(page, "ArrowRight", "Delete")
    assert focused() == "03"
    press(page, "Backspace")
    assert focused() == "01"
    expect(page.locator("[data-chips-said]")).to_contain_text("+33 6 12 34 00 03")
    press(page, "Delete")
    expect(entry).to_be_focused()
    posts(page, [])
    page.keyboard.type("0612340005,")
    expect(page.locator("[data-state=valid]")).to_have_count(1)
    page.locator("[data-chip-remove]").click()
    expect(entry).to_be_focused()


def test_tab_stops_once_at_the_chips_and_goes_on(page: Page, running: Running) -> None:
    entry = field(page, running)
    paste(entry, "0612340001\n0612340002\n0612340003")
    expect(page.locator("[data-state=valid]")).to_have_count(3)
    press(page, "Shift+Tab", "Shift+Tab", "Shift+Tab")
    expect(page.locator("[data-chips] :focus")).to_have_count(0)
    press(page, "Tab")
    expect(chips(page).last.locator("[data-chip-main]")).to_be_focused()
    press(page, "Tab")
    expect(chips(page).last.locator("[data-chip-remove]")).to_be_focused()
    press(page, "Tab")
    expect(entry).to_be_focused()


@LANGUAGES
def test_what_is_pasted_from_a_sheet_is_taken_apart_and_duplicates_merge(
    page: Page, running: Running, locale: str
) -> None:
    entry = field(page, running)
    page.keyboard.type("0612340001,")
    expect(page.locator("[data-state=valid]")).to_have_count(1)
    paste(entry, "Nom\t06 12 34 00 01\r\nMartin\t06.12.34.00.02\r\n; +32 470 12 34 56 +33612340003\r\n")
    expect(page.locator("[data-state=valid]")).to_have_count(4)
    expect(page.locator("[data-state=wrong]")).to_have_count(2)
    says(page, "summary", WORDS[locale]["merged"])
    says(page, "said", WORDS[locale]["merged"])
    posts(
        page,
        [
            *("+33612340001", "Nom", "Martin", "+33612340002", "+32470123456", "+33612340003"),
        ],
    )


def test_one_pasted_number_is_a_chip_at_once_and_a_piece_of_one_is_typed_on(page: Page, running: Running) -> None:
    entry = field(page, running)
    paste(entry, "06 12 34 56 78")
    expect(page.locator("[data-state=valid]")).to_have_count(1)
    page.keyboard.insert_text("06 98")
    expect(chips(page)).to_have_count(1)
    page.keyboard.type("765432 ")
    press(page, "Enter")
    expect(page.locator("[data-state=valid]")).to_have_count(2)


def test_what_is_no_number_is_shown_as_text(page: Page, running: Running) -> None:
    entry = field(page, running)
    script = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    paste(entry, f"{script}\n0612345678\n{'9' * 5000}")
    expect(page.locator("[data-state=wrong]")).to_have_count(2)
    expect(page.locator("[data-chip-number]").first).to_have_text(script[:40] + "…")
    expect(page.locator("[data-chips] img, [data-chips] script")).to_have_count(0)
    posts(page, [script, "+33612345678", "9" * 5000])
    assert too_wide(page) == []


@LANGUAGES
def test_thousands_of_numbers_are_counted_by_country_and_the_wrong_ones_come_first(
    page: Page, running: Running, locale: str
) -> None:
    words = WORDS[locale]
    entry = field(page, running)
    paste(entry, LONG_LIST)
    says(page, "summary", words["many"])
    expect(chips(page)).to_have_count(40)
    shown = [spaces(text) for text in page.locator(".chips-more").all_inner_texts()]
    assert shown == [words["more wrong"], words["more"]]
    states = [chip.get_attribute("data-state") for chip in chips(page).all()]
    assert states == ["wrong"] * 20 + ["valid"] * 20
    posts_so_many(page, 10_023)
    # A number that is added stands beside the input.
    page.keyboard.type("06 98 76 54 32,")
    expect(chips(page).last.locator("[data-chip-number]")).to_have_text("+33 6 98 76 54 32")
    expect(chips(page)).to_have_count(40)
    press(page, "Backspace", "Delete")
    expect(page.locator("[data-chip-number]", has_text="98 76 54 32")).to_have_count(0)

    # A corrected one makes room for the next.
    chips(page).first.locator("[data-chip-main]").click()
    page.locator(".chip-edit").fill("06 98 00 00 00")
    press(page, "Enter")
    expect(page.locator(".chips-more--wrong")).to_have_text(re.compile(r"\b4\b"))
    expect(page.locator("[data-state=wrong]")).to_have_count(20)
    chips(page).nth(19).locator("[data-chip-remove]").click()
    expect(page.locator(".chips-more--wrong")).to_have_text(re.compile(r"\b3\b"))
    expect(page.locator("[data-chip-number]", has_text=re.compile(r"^\+33 6 12 00"))).not_to_have_count(0)


@LANGUAGES
def test_all_can_be_removed_and_brought_back(page: Page, running: Running, locale: str) -> None:
    entry = field(page, running)
    paste(entry, LONG_LIST)
    expect(chips(page)).to_have_count(40)
    page.locator("[data-chips-empty]").click()
    expect(chips(page)).to_have_count(0)
    says(page, "summary", WORDS[locale]["emptied"])
    posts(page, [])
    expect(page.locator("[data-chips-undo]")).to_be_focused()
    press(page, "Enter")
    expect(chips(page)).to_have_count(40)
    posts_so_many(page, 10_023)
    expect(entry).to_be_focused()
    expect(page.locator("[data-chips-undo]")).to_be_hidden()


def test_the_numbers_are_edited_as_a_list_and_come_back_as_chips(page: Page, running: Running) -> None:
    entry = field(page, running)
    paste(entry, "0612340001\n06 12\n0612340003")
    expect(page.locator("[data-state=wrong]")).to_have_count(1)
    page.locator("[data-chips-toggle]").click()
    area = page.locator("[name=recipients]")
    expect(area).to_be_focused()
    expect(area).to_have_value("+33612340001\n06 12\n+33612340003")
    expect(area).to_have_attribute("id", "id_recipients")
    expect(page.locator("[data-chips]")).to_be_hidden()
    area.fill("06 12 34 00 09\n+32470123456\n06 12 34 00 09")
    page.locator("[data-chips-toggle]").click()
    expect(page.locator("[data-state=valid]")).to_have_count(2)
    expect(page.locator("[data-chips] input")).to_be_focused()
    posts(page, ["+33612340009", "+32470123456"])


def test_more_than_a_message_can_have_are_kept_with_the_reason(
    page: Page, running: Running, page_errors: list[str]
) -> None:
    entry = field(page, running)
    paste(entry, "0612345678\n" * 100_001)
    expect(page.locator("[data-state=wrong] [data-chip-reason]")).to_contain_text(re.compile(r"100\s000"))
    posts_so_many(page, 100_001)
    expect(page.locator("[data-chips-toggle]")).to_be_visible()
    page.locator("[data-chip-remove]").click()
    expect(entry).to_be_focused()
    posts(page, [])
    assert all("422" in error for error in page_errors), page_errors
    page_errors.clear()


@LANGUAGES
def test_without_an_answer_the_number_stays_as_typed_and_is_sent(
    page: Page, running: Running, locale: str, page_errors: list[str]
) -> None:
    field(page, running)

    def cut(route: Route) -> None:
        route.abort()

    page.route("**/numbers/", cut)
    page.keyboard.type("06 12 77 01 01,")
    says(page, "summary", WORDS[locale]["unread"])
    posts(page, ["06 12 77 01 01"])
    assert all("ERR_FAILED" in error for error in page_errors), page_errors
    page_errors.clear()
    page.locator("[name=text]").fill("Sans réponse")
    page.locator("[name=not_commercial]").check()
    page.unroute("**/numbers/", cut)
    page.locator("[data-chips-retry]").click()
    expect(page.locator("[data-state=valid]")).to_have_count(1)
    page.route("**/numbers/", cut)
    page.locator("#id_recipients").fill("06 12 77 01 02")
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    expect(page.locator("main")).to_contain_text("+33 6 12 77 01 02")
    page_errors[:] = [error for error in page_errors if "ERR_FAILED" not in error]


def test_several_numbers_that_could_not_be_asked_about_are_corrected_as_a_list(
    page: Page, running: Running, page_errors: list[str]
) -> None:
    entry = field(page, running)
    page.route("**/numbers/", lambda route: route.abort())
    paste(entry, "0612340001\n0612340002")
    expect(page.locator("[data-state=unread]")).to_have_count(1)
    page.locator("[data-chip-main]").click()
    expect(page.locator("[name=recipients]")).to_be_focused()
    posts(page, ["0612340001", "0612340002"])
    assert all("ERR_FAILED" in error for error in page_errors), page_errors
    page_errors.clear()


@LANGUAGES
def test_a_sender_that_does_not_reach_a_country_is_marked_and_explained(
    page: Page, running: Running, locale: str
) -> None:
    words = WORDS[locale]
    field(page, running)
    sender = page.locator("[name=sender]")
    sender.select_option(label="BoulMartin")
    page.locator("#id_recipients").click()
    page.keyboard.type("+1 202 555 0123,")
    expect(page.locator("#sender-reach")).to_contain_text(words["united states"])
    option = sender.locator("option:checked")
    assert spaces(option.get_attribute("label") or "") == words["not reached"]
    expect(option).to_have_text("BoulMartin")
    # It stays the chosen one, and is right again without that recipient.
    press(page, "Backspace", "Delete")
    expect(page.locator("#sender-reach")).to_be_empty()
    expect(option).not_to_have_attribute("label", re.compile("."))


def test_the_numbers_of_a_refused_form_are_chips_and_said_once(
    page: Page, running: Running, page_errors: list[str]
) -> None:
    field(page, running)
    page.locator("[name=text]").fill("Texte à garder")
    type_recipients(page, "06 12\u003b 06 13, 06 12 77 01 11, 06 14")
    page.locator("button[value=send]").click()
    banner = page.locator("#errors")
    expect(banner).to_be_visible()
    expect(page.locator("[data-state=wrong]")).to_have_count(3)
    expect(banner.locator("li")).to_have_count(1)
    expect(page.locator("#id_recipients_error")).to_have_count(0)
    posts(page, ["06 12", "06 13", "+33612770111", "06 14"])
    banner.get_by_role("link").click()
    expect(page.locator("[data-state=wrong] [data-chip-main]").first).to_be_focused()
    assert all("422" in error for error in page_errors), page_errors
    page_errors.clear()


def test_a_draft_comes_back_as_chips_with_what_was_typed_by_half(page: Page, running: Running) -> None:
    entry = field(page, running)
    page.locator("[name=text]").fill("Brouillon")
    paste(entry, "0612340001\n06 12\n")
    expect(page.locator("[data-state=wrong]")).to_have_count(1)
    page.keyboard.type("06 9")
    page.reload()
    expect(page.locator("[data-state=valid]")).to_have_count(1)
    expect(page.locator("[data-state=wrong]")).to_have_count(2)
    posts(page, ["+33612340001", "06 12", "06 9"])
    page.goto(f"{running.url}/?to=%2B33612770192")
    expect(page.locator("[data-chip-number]")).to_have_text("+33 6 12 77 01 92")


def test_a_click_on_send_is_not_missed_because_the_field_is_left(page: Page, running: Running) -> None:
    field(page, running)
    page.locator("[name=text]").fill("Un clic")
    page.locator("[name=not_commercial]").check()
    page.locator("#id_recipients").click()
    page.keyboard.type("06 12 77 01 21")
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    expect(page.locator("main")).to_contain_text("+33 6 12 77 01 21")


def test_the_price_follows_the_chips(page: Page, running: Running) -> None:
    entry = field(page, running)
    page.locator("[name=text]").fill("Prix")
    page.locator("[name=not_commercial]").check()
    paste(entry, "0612340001\n0612340002\n0612340003")
    expect(page.locator("#quote")).to_contain_text(re.compile("3 destinataires"))
    mark(page)
    press(page, "Backspace", "Delete")
    expect(page.locator("#quote")).to_contain_text(re.compile("2 destinataires"))


def test_without_javascript_the_field_is_a_list_and_its_errors_are_sentences(
    browser: Browser, running: Running
) -> None:
    context = browser.new_context(locale="fr-FR", java_script_enabled=False)
    page = context.new_page()
    sign_in(page, running, chips=False)
    expect(page.locator("[data-chips]")).to_be_hidden()
    area = page.locator("textarea#id_recipients")
    area.fill("06 12\n0612770131")
    page.locator("[name=text]").fill("Sans script")
    page.locator("button[value=send]").click()
    expect(page.locator("#id_recipients_error")).to_contain_text("06 12")
    expect(area).to_have_value("06 12\n0612770131")
    area.fill("0612770131")
    page.locator("[name=not_commercial]").check()
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    context.close()


def test_a_reader_of_the_account_sees_the_field_as_it_is(page: Page, running: Running) -> None:
    sign_in(page, running, "lea", chips=False)
    expect(page.locator("textarea#id_recipients")).to_be_disabled()
    expect(page.locator("[data-chips]")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_the_chips_have_no_accessibility_violation_at_any_state(
    browser: Browser, running: Running, size: str, theme: str, page_errors: list[str]
) -> None:
    context = open_context(browser, size, theme, page_errors)
    page = context.new_page()
    entry = field(page, running)
    problems = violations(page)
    page.keyboard.type("06 12 34 56 78,+1 202 555 0123,")
    expect(page.locator("[data-state=valid]")).to_have_count(2)
    problems += violations(page) + too_wide(page)
    page.keyboard.type("01 42 68 53 00,06 12,")
    expect(page.locator("[data-state=wrong]")).to_have_count(2)
    problems += violations(page) + too_wide(page)
    page.locator("[data-state=wrong] [data-chip-main]").first.click()
    expect(page.locator(".chip-edit")).to_be_focused()
    problems += violations(page) + too_wide(page)
    press(page, "Escape")
    paste(entry, LONG_LIST)
    expect(chips(page)).to_have_count(40)
    problems += violations(page) + too_wide(page)
    page.locator("[data-chips-empty]").click()
    problems += violations(page) + too_wide(page)
    context.close()
    assert problems == []
    assert page_errors == []
