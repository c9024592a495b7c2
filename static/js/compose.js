// The compose page. Each part has a module of its own; the server counts and prices again: it decides.

import { settle } from "./corrections.js";
import { count } from "./counter.js";
import { restore, save } from "./draft.js";
import { preview } from "./preview.js";
import { doubt } from "./price.js";
import { forget, outgoing, showForced } from "./replacement.js";
import { segment } from "./segments.js";
import { field, form, given, part, words } from "./words.js";

const clauseSenders = new Set(given("clause-senders").map(String));

// --- What is written, as it will leave ------------------------------------------------------------

function clause() {
  const commercial = !field("not_commercial").checked;
  return commercial && clauseSenders.has(field("sender").value) ? words.stopClause : "";
}

function show() {
  const body = field("text").value;
  const added = clause();
  const text = outgoing(body, added) + added;
  const segments = segment(text);
  const nothing = body === "";
  count(segments, nothing);
  showForced(body, added, segments);
  preview(text, added, segments, nothing);
}

// --- Date and time --------------------------------------------------------------------------------

function showMoment() {
  const later = form.querySelector("[data-when='later']").checked;
  for (const name of ["date", "time"]) field(name).disabled = !later;
}

// --- Sending --------------------------------------------------------------------------------------

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit(part("send"));
  }
});

form.addEventListener("submit", (event) => {
  if (form.dataset.sent === "true") return;
  save();
  if (event.submitter !== part("send")) return;
  part("send").setAttribute("aria-disabled", "true");
  part("send-label").textContent = words.textSending;
});
const sendLabel = part("send-label").textContent;
window.addEventListener("pageshow", () => {
  part("send").removeAttribute("aria-disabled");
  part("send-label").textContent = sendLabel;
  // "Back" brings what was written into the fields after this script has looked at them.
  showMoment();
  show();
  if (field("text").value !== seen) form.dispatchEvent(new Event("quote-wanted"));
});

// --- What changes ---------------------------------------------------------------------------------

form.addEventListener("input", (event) => {
  const { name } = event.target;
  if (name === "text") forget();
  if (name === "text" || name === "sender" || name === "not_commercial") show();
  doubt(name);
  settle(name);
  save();
});
form.addEventListener("change", (event) => {
  const { name } = event.target;
  if (name === "when") showMoment();
  if (name === "sender" || name === "not_commercial") show();
  settle(name);
  save();
});

restore();
// What was typed before this script listened.
if (words.bound !== "true") save();
showMoment();
show();
const seen = field("text").value;
// The server's answer has the price already, and with JavaScript it comes by itself.
part("check").hidden = true;
