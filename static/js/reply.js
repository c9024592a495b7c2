// The answer in a conversation: its counter and price while it is written, its draft, and sending it once.

import { announce } from "./announce.js";
import { count } from "./counter.js";
import { segment } from "./segments.js";
import { field, form, make, part, words } from "./words.js";

const text = field("text");
const quote = document.getElementById("quote");

// --- What is written ------------------------------------------------------------------------------

function show() {
  // Where the account replaces characters when it sends, the server's price says how many SMS that makes.
  if (words.alwaysReplace === "true") return;
  count(segment(text.value), text.value === "");
}

// A browser may refuse storage, or have no room: then there is no draft, and all else works.
function keep() {
  try {
    if (text.value === "") localStorage.removeItem(words.draft);
    else localStorage.setItem(words.draft, text.value);
  } catch {
    // Nothing of an earlier answer must come back in the place of this one; where that fails too, nothing is kept.
    try {
      localStorage.removeItem(words.draft);
    } catch {
      // Storage is refused altogether.
    }
  }
}

function restore() {
  if (words.bound === "true" || text.value !== "") return;
  try {
    text.value = localStorage.getItem(words.draft) ?? "";
  } catch {
    // Storage is refused: there is no draft.
  }
}

form.addEventListener("input", () => {
  show();
  keep();
});

// --- The price ------------------------------------------------------------------------------------

// htmx starts with the document: what was brought back or typed before it listens is asked for once it does.
document.addEventListener(
  "htmx:load",
  () => {
    if (words.bound === "false" && text.value !== "") form.dispatchEvent(new Event("quote-wanted"));
  },
  { once: true },
);

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target !== quote) return;
  part("check").hidden = true;
  announce("quote", quote.innerText.trim());
});

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => {
    if (!event.target.matches?.("[data-quote-loader]")) return;
    const sentence = make("p", words.textQuoteFailed);
    sentence.className = "quote-when";
    quote.replaceChildren(sentence);
    part("check").hidden = false;
    announce("quote", words.textQuoteFailed);
  });
}

// --- Sending --------------------------------------------------------------------------------------

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit(part("send"));
  }
});

const label = part("send-label").textContent;
form.addEventListener("submit", (event) => {
  if (form.dataset.sent === "true" || event.submitter !== part("send")) return;
  part("send").setAttribute("aria-disabled", "true");
  part("send-label").textContent = words.textSending;
});
window.addEventListener("pageshow", () => {
  part("send").removeAttribute("aria-disabled");
  part("send-label").textContent = label;
  // "Back" brings what was written into the field after this script has looked at it.
  show();
  if (text.value !== seen) form.dispatchEvent(new Event("quote-wanted"));
});

// What was sent a moment ago is no draft any more; frame.js clears it, and may run after this.
if (!document.querySelector("[data-clear-draft]")) restore();
show();
const seen = text.value;
part("check").hidden = true;
