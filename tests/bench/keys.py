"""From a keystroke to the counter of the compose page, in Chromium, beside one frame of a screen of 60 Hz."""

from playwright.sync_api import Page

from tests.bench import live

CHARACTERS = 2000
KEYS = 200
FRAME = 1000 / 60  # milliseconds
GSM = "Bonjour, votre commande no 4217 vous attend à la boulangerie jusqu'à 19 h. À bientôt !\n".replace("ô", "o")
TEXTS = {
    "GSM 7-bit": GSM,
    "GSM 7-bit with € [ ]": GSM.replace("no", "[no]") + "12 € ",
    "UCS-2, typographic French": GSM.replace("'", "’") + "« c’est prêt » ",
    "UCS-2, with emoji": GSM + "😀👍🏽 ",
}
# From the moment that the browser gives the key event until the counter's words have changed. Each key changes them.
WATCH = """() => {
    const times = (window.benchTimes = []);
    let pressed = 0;
    addEventListener("keydown", (event) => { pressed = event.timeStamp; }, { capture: true });
    new MutationObserver(() => {
        if (pressed) times.push(performance.now() - pressed);
        pressed = 0;
    }).observe(document.querySelector("[data-counter]"), { subtree: true, childList: true, characterData: true });
}"""


def report() -> str:
    with live.signed_in() as (page, _running):
        rows = [(name, _times(page, text)) for name, text in TEXTS.items()]
    head = f"a text of {CHARACTERS} characters, a key at its end"
    return f"{live.table(head, rows, '{:.1f} ms'.format)}\n\nOne frame: {FRAME:.1f} ms."


def _times(page: Page, text: str) -> list[float]:
    page.reload()
    field = page.locator("[name=text]")
    field.fill((text * CHARACTERS)[:CHARACTERS])
    field.focus()
    page.keyboard.press("Control+End")
    page.evaluate(WATCH)
    for _ in range(KEYS):
        page.keyboard.press("a")
    times: list[float] = page.evaluate("window.benchTimes")
    assert len(times) == KEYS, f"{len(times)} of {KEYS} keys changed the counter"
    return times
