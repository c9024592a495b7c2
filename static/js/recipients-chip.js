// One chip: how it looks, and how its number is corrected in its place. Text goes in as text, never as markup.

import { released } from "./pointer.js";

const template = document.querySelector("[data-chip-template]");
// Of what somebody pasted by mistake, as much as tells it from the others.
const LONGEST = 40;
let drawn = 0;

export function drawChip(item, text, words) {
  const chip = template.content.firstElementChild.cloneNode(true);
  const part = (name) => chip.querySelector(`[data-chip-${name}]`);
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  chip.dataset.state = item.state;
  part("number").textContent = short;
  part("code").textContent = item.region ?? "";
  part("code").title = item.country ?? "";
  part("country").textContent = item.country ? `, ${item.country}` : "";
  part("remove").setAttribute("aria-label", words.textRemove.replace("{number}", short));
  if (item.reason) {
    drawn += 1;
    part("reason").id = `chip-reason-${drawn}`;
    part("reason").textContent = item.reason;
    part("main").setAttribute("aria-describedby", part("reason").id);
  }
  return chip;
}

// Put a field in the place of the number. `typed(text)` at each change; `done(text, how)` once, when it is left.
export function editChip(item, words, { typed, done }) {
  const text = item.shown ?? item.e164 ?? item.raw;
  const field = document.createElement("input");
  let over = false;
  field.className = "chip-edit";
  field.type = "text";
  field.inputMode = "tel";
  field.enterKeyHint = "done";
  field.autocomplete = "off";
  field.spellcheck = false;
  field.value = text;
  field.size = Math.min(28, Math.max(12, text.length + 1));
  field.setAttribute("aria-label", words.textEdit.replace("{number}", text.slice(0, LONGEST)));
  const reason = item.element.querySelector("[data-chip-reason]");
  if (reason.id) field.setAttribute("aria-describedby", reason.id);

  const end = (how) => {
    if (over) return;
    over = true;
    done(field.value.trim(), { byKey: false, cancelled: false, ...how });
  };
  field.addEventListener("input", () => typed(field.value.trim()));
  field.addEventListener("keydown", (key) => {
    if (key.isComposing) return;
    if (key.key === "Enter") {
      if (!key.ctrlKey && !key.metaKey) key.preventDefault();
      end({ byKey: true });
    } else if (key.key === "Escape") {
      key.stopPropagation();
      end({ byKey: true, cancelled: true });
    }
  });
  field.addEventListener("blur", async () => {
    // When another window comes to the front, the number is still being corrected.
    if (document.activeElement === field) return;
    await released();
    if (document.activeElement !== field) end({});
  });
  item.element.dataset.editing = "";
  item.element.querySelector(".chip-body").replaceChildren(field);
  field.focus();
  field.setSelectionRange(text.length, text.length);
}
