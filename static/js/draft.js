// The draft: what is written survives a closed tab, an ended session and an error of the server, in this browser.

import { field, form, make, part, words } from "./words.js";

const KEPT = ["sender", "recipients", "text", "not_commercial", "when", "date", "time", "message_class"];

// A browser may refuse storage altogether: then there is no draft, and all else works.
const shelf = (() => {
  try {
    return window.localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {}, removeItem: () => {} };
  }
})();

// Nothing typed yet. In an answer, the number of the one who is answered stands there already.
function empty() {
  return field("text").value === "" && ["", words.to].includes(field("recipients").value);
}

/** Keep what is written under the name of this person, account and addressee. */
export function save() {
  if (empty()) {
    shelf.removeItem(words.draft);
    return;
  }
  const draft = {};
  for (const name of KEPT) draft[name] = name === "not_commercial" ? field(name).checked : field(name).value;
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

/** Bring the draft back into an empty form that the server did not fill. */
export function restore() {
  if (words.bound === "true" || !empty()) return;
  const draft = kept();
  if (draft === null) return;
  for (const name of KEPT) if (name in draft) put(name, draft[name]);
  if (draft.when === "later" || (draft.message_class && draft.message_class !== "standard")) {
    document.getElementById("advanced").open = true;
  }
  // The chips of the recipients are drawn from the field.
  field("recipients").dispatchEvent(new Event("recipients-set"));
  offerNothing();
}

function put(name, value) {
  if (name === "not_commercial") field(name).checked = value === true;
  else if (typeof value !== "string") return;
  else if (name !== "sender" || form.querySelector(`option[value="${CSS.escape(value)}"]:not(:disabled)`)) {
    field(name).value = value;
  }
}

function offerNothing() {
  const again = make("button", words.textDiscard);
  again.type = "button";
  again.className = "link-button";
  again.addEventListener("click", () => {
    shelf.removeItem(words.draft);
    location.assign(location.pathname + location.search);
  });
  part("draft-note").append(words.textRestored, again);
}
