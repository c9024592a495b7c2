"""10 000 pasted numbers: what the server says to them over HTTP, and what a person waits for in Chromium."""

import random
import time

from playwright.sync_api import Page

from tests.bench import live, numbers
from tests.bench.numbers import PASTED

RUNS = 5
# What the browser posts in these is what a person filled in, with these recipients.
POST = """async ([path, recipients]) => {
    const body = new FormData(document.querySelector("#composer"));
    body.set("recipients", recipients);
    body.set("text", "Bonjour");
    const began = performance.now();
    const answer = await fetch(path, { method: "POST", body });
    const read = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return [performance.now() - began, read.length];
}"""
# From the paste until the price is there; and the longest time in it in which the page answered to nothing.
PASTE = """async (recipients) => {
    let longest = 0;
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) longest = Math.max(longest, task.duration);
    }).observe({ type: "longtask" });
    const priced = new Promise((resolve) => {
        document.addEventListener("htmx:afterSettle", (event) => {
            if (event.target.id === "quote") resolve(performance.now());
        });
    });
    const began = performance.now();
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", recipients);
    const field = document.querySelector("#id_recipients");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    return [(await priced) - began, longest];
}"""


def report() -> str:
    chance = random.Random(4)
    right = [numbers.french(chance) for _ in range(PASTED)]
    wrong = [numbers.mistyped(chance) if chance.random() < 0.05 else number for number in right]
    with live.signed_in() as (page, running):
        (web,) = running.program("web").children(recursive=True)
        rows: list[live.Row] = []
        for name, path in (("the price (quote/)", "/quote/"), ("the numbers read (numbers/)", "/numbers/")):
            for kind, entries in (("all right", right), ("one in twenty wrong", wrong)):
                took, worked = [], []
                for _ in range(RUNS):
                    before = sum(web.cpu_times()[:2])
                    took.append(page.evaluate(POST, [path, "\n".join(entries)])[0] / 1000)
                    worked.append(sum(web.cpu_times()[:2]) - before)
                rows += [(f"{name}, {kind}: answered", took), ("of that the web process worked", worked)]
        waited, frozen = zip(*(_pasted(page, right) for _ in range(RUNS)), strict=True)
        rows += [
            ("pasted in Chromium until the price is there", waited),
            ("longest the page answered to nothing", frozen),
        ]
    head = f"{PASTED} French numbers, one process with one core for the server"
    return live.table(head, rows, "{:.2f} s".format)


def _pasted(page: Page, entries: list[str]) -> tuple[float, float]:
    page.reload()
    page.locator("[name=text]").fill("Bonjour")
    page.locator("[data-chips]").wait_for()
    time.sleep(1)  # What the page asks at its beginning is answered by then.
    waited, longest = page.evaluate(PASTE, "\n".join(entries))
    return waited / 1000, longest / 1000
