// The draft: what is written survives a closed tab, an ended session and an error of the server, in this browser.
//
// Where a message that waits is changed, the page begins with that message. The draft then holds only what somebody
// changed of it, and `waiting`, how many recipients it had: the rest is as the message is when the draft comes back.

import { field, form, make, part, words } from "./words.js";

const KEPT = ["sender", "recipients", "text", "not_commercial", "when", "date", "time", "message_class"];
// A part of a moment without the rest of it is another moment.
const MOMENT = ["when", "date", "time"];
const asItWaits = words.asItWaits === "true";
const waiting = field("replaces_waiting")?.value;

// A browser may refuse storage altogether: then there is no draft, and all else works.
const shelf = (() => {
  try {
    return window.localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {}, removeItem: () => {} };
  }
})();

const value = (name) => (name === "not_commercial" ? field(name).checked : field(name).value);

// What the server put into the field; its value may be what the browser brought back.
function begun(name) {
  const one = field(name);
  if (name === "not_commercial") return one.defaultChecked;
  if (one instanceof RadioNodeList) return [...one].find((radio) => radio.defaultChecked)?.value ?? "";
  if (one.options === undefined) return one.defaultValue;
  const options = [...one.options];
  return (options.find((option) => option.defaultSelected) ?? options.find((option) => !option.disabled))?.value ?? "";
}

// The names of the fields that a draft is of.
function written() {
  if (!asItWaits) return KEPT;
  const changed = KEPT.filter((name) => value(name) !== begun(name));
  return MOMENT.some((name) => changed.includes(name)) ? [...new Set([...changed, ...MOMENT])] : changed;
}

// Nothing typed yet. In an answer, the number of the one who is answered stands there already.
function empty() {
  if (asItWaits) return written().length === 0;
  return field("text").value === "" && ["", words.to].includes(field("recipients").value);
}

/** Keep what is written under the name of this person, account and addressee. */
export function save() {
  if (empty()) {
    shelf.removeItem(words.draft);
    return;
  }
  const draft = waiting === undefined ? {} : { waiting };
  for (const name of written()) draft[name] = value(name);
  try {
    shelf.setItem(words.draft, JSON.stringify(draft));
  } catch {
    // The storage is full: a draft of before would come back in the place of this one.
    shelf.removeItem(words.draft);
  }
}

function kept() {
  try {
    const draft = JSON.parse(shelf.getItem(words.draft));
    if (draft !== null && typeof draft === "object") return draft;
  } catch {
    // Damaged: as good as none.
  }
  shelf.removeItem(words.draft);
  return null;
}

/** Bring the draft back into a form that is empty or as the message waits, and that the server did not fill. */
export function restore() {
  if (waiting !== undefined) dropOlder();
  if (words.bound === "true" || !empty()) return;
  const draft = kept();
  if (draft === null) return;
  // Somebody was taken out since: the recipients of the draft would bring them back.
  const fewer = "recipients" in draft && draft.waiting !== waiting;
  if (fewer) delete draft.recipients;
  for (const name of KEPT) if (name in draft) put(name, draft[name]);
  // It says what the message says.
  if (asItWaits && empty() && !fewer) return;
  if (draft.when === "later" || (draft.message_class && draft.message_class !== "standard")) {
    document.getElementById("advanced").open = true;
  }
  // The chips of the recipients are drawn from the field.
  field("recipients").dispatchEvent(new Event("recipients-set"));
  offerNothing(fewer ? words.textRestoredFewer : words.textRestored);
}

// An earlier version kept a draft for each number of recipients.
function dropOlder() {
  for (const name of Object.keys(shelf)) if (name.startsWith(`${words.draft}:`)) shelf.removeItem(name);
}

function put(name, drafted) {
  if (name === "not_commercial") field(name).checked = drafted === true;
  else if (typeof drafted !== "string") return;
  else if (name !== "sender" || form.querySelector(`option[value="${CSS.escape(drafted)}"]:not(:disabled)`)) {
    field(name).value = drafted;
  }
}

function offerNothing(restored) {
  const again = make("button", words.textDiscard);
  again.type = "button";
  again.className = "link-button";
  again.addEventListener("click", () => {
    shelf.removeItem(words.draft);
    location.assign(location.pathname + location.search);
  });
  part("draft-note").append(restored, again);
}
