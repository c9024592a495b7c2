// The characters that make a message longer: which, where, and their plain twins for one click, with its way back.

import { announce } from "./announce.js";
import { segment } from "./segments.js";
import { replacing } from "./twins.js";
import { counted, field, fill, given, make, part, words, write } from "./words.js";

const MOST_NAMED = 8;

export const replaced = replacing(given("twins"));

const always = words.alwaysReplace === "true";
const lead = part("forced-lead");
const list = part("forced-list");
const propose = part("forced-replace");
const undo = part("forced-undo");
const undone = part("forced-undone");
const former = field("text_before");
// So that a click on a character shows its next occurrence.
let shownLast = { character: "", at: -1 };
// Millis that one SMS to each recipient costs, from the last price of the server; null when it may be out of date.
let rates = null;
let look = null;

/** The text that leaves for what is written: replaced, where the account always does that and it saves something. */
export function outgoing(body, clause) {
  return always && replacement(body, clause) !== null ? replaced(body) : body;
}

// What replacing would save: { before, after } in SMS; null for nothing. As in compose/text_notes.py.
function replacement(body, clause) {
  const plain = replaced(body);
  if (plain === body) return null;
  const [before, after] = [segment(body + clause), segment(plain + clause)];
  // An emoji that stays keeps the message long: then plain quotation marks would save nothing. Twins of several
  // characters may even make it longer.
  if (plain === "" || before.encoding === "gsm7") return null;
  if (after.count > before.count || (after.count === before.count && after.encoding !== "gsm7")) return null;
  return { before: before.count, after: after.count };
}

/**
 * Show which characters make the message longer, and what replacing them would save.
 *
 * @param {string} body what is written.
 * @param {string} clause the STOP clause that goes behind it.
 * @param {object} segments of what leaves, see segments.js.
 */
export function showForced(body, clause, segments) {
  const found = replacement(body, clause);
  const replacing = always && found !== null;
  look = always ? null : found;
  const forced = replacing ? substituted(body) : segments.forced.map(([, character]) => character);
  part("forced").hidden = forced.length === 0;
  write(lead, forced.length === 0 ? "" : replacing ? words.textAlways : words.textForced);
  name(forced, replacing);
  offer();
}

// The characters of a text that are others once they are replaced.
function substituted(body) {
  return Array.from(body.normalize("NFC")).filter((character) => replaced(character) !== character);
}

function name(characters, replacing) {
  const counts = new Map();
  for (const character of characters) counts.set(character, (counts.get(character) ?? 0) + 1);
  const shown = [...counts].slice(0, MOST_NAMED);
  const key = JSON.stringify([shown, counts.size, replacing]);
  if (list.dataset.shown === key) return;
  list.dataset.shown = key;
  list.replaceChildren(
    ...shown.map(([character, times]) => {
      const button = make("button", make("kbd", nameOf(character)));
      if (replacing) button.append(make("span", ` → ${replaced(character) || words.textNothing}`));
      else if (times > 1) button.append(make("span", ` × ${times}`));
      button.type = "button";
      button.className = "forced-character";
      button.title = words.textShow;
      button.addEventListener("click", () => point(character));
      return button;
    }),
  );
  if (counts.size > MOST_NAMED) list.append(make("span", counted("More", counts.size - MOST_NAMED)));
}

function nameOf(character) {
  if (/[\u00a0\u202f\u2007]/.test(character)) return words.textNbsp;
  if (character === "\t") return words.textTab;
  if (/\s/u.test(character)) return words.textSpace;
  if (/[\p{Cc}\p{Cf}\p{Cn}\p{Co}]/u.test(character)) return words.textInvisible;
  return /\p{M}/u.test(character) ? `◌${character}` : character;
}

// Select the next occurrence of a character in the text.
function point(character) {
  const text = field("text");
  const from = shownLast.character === character ? shownLast.at + 1 : 0;
  let at = text.value.indexOf(character, from);
  if (at < 0) at = text.value.indexOf(character);
  if (at < 0) return;
  shownLast = { character, at };
  text.focus();
  text.setSelectionRange(at, at + character.length);
}

function offer() {
  propose.hidden = look === null;
  if (look === null) return;
  const fewer = look.before - look.after;
  let sentence = words.textReplace;
  if (fewer > 0) {
    const saved = rates === null ? null : (fewer * rates) / 1000;
    const values = { before: look.before, after: look.after };
    sentence = saved === null ? fill(words.textReplaceSaving, values) : counted("ReplaceCredits", saved, values);
  }
  write(propose, sentence);
}

/** What the server says one SMS to each recipient costs in all (millis); null while nobody knows. */
export function know(millis) {
  rates = millis;
  offer();
}

// As if it had been typed: the browser's own undo (Ctrl+Z) takes it back. Where a browser knows no
// insertText the value is set, and the button is the way back.
function put(text) {
  const area = field("text");
  area.focus();
  area.select();
  const typed = text !== "" && document.execCommand("insertText", false, text);
  if (!typed || area.value !== text) {
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

let putting = false;

function exchange(text, before) {
  putting = true;
  put(text);
  putting = false;
  former.value = before;
  showUndo();
}

function showUndo() {
  const possible = former.value !== "";
  undo.hidden = !possible;
  undone.hidden = !possible;
}

/** What was typed since makes the way back one over what was typed: it is offered no more. */
export function forget() {
  if (putting || former.value === "") return;
  former.value = "";
  showUndo();
}

propose.addEventListener("click", (event) => {
  event.preventDefault();
  const before = field("text").value;
  exchange(replaced(before), before);
  undo.focus();
  announce("forced", words.textReplaced);
});
undo.addEventListener("click", (event) => {
  event.preventDefault();
  exchange(former.value, "");
  announce("forced", words.textUndone);
});
