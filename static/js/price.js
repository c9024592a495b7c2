// The price comes from the server, in a piece of the page that htmx fetches when the person stops typing.

import { announce } from "./announce.js";
import { know } from "./replacement.js";
import { field, form, make, part, words } from "./words.js";

const quote = document.getElementById("quote");
// What a change of the price for one SMS to each recipient could come from.
const PRICED_BY = new Set(["recipients", "sender", "not_commercial", "when", "date", "time"]);

function read() {
  const found = quote.querySelector("[data-rates]");
  know(found ? Number(found.dataset.rates) : null);
}

/** A field changed: what the server said of the price may be true no more. */
export function doubt(name) {
  if (PRICED_BY.has(name)) know(null);
}

// htmx starts with the document: what was brought back or typed before it listens is asked for once it does.
document.addEventListener(
  "htmx:load",
  () => {
    if (words.bound === "false" && field("text").value !== "") form.dispatchEvent(new Event("quote-wanted"));
  },
  { once: true },
);

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target !== quote) return;
  part("check").hidden = true;
  read();
  announce("quote", quote.innerText.trim());
});

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => {
    if (!event.target.matches?.("[data-quote-loader]")) return;
    const sentence = make("p", words.textQuoteFailed);
    sentence.className = "quote-when";
    quote.replaceChildren(sentence);
    // What fetches the price failed: the button that asks for it with the whole page is there again.
    part("check").hidden = false;
    know(null);
    announce("quote", words.textQuoteFailed);
  });
}

read();
