// The recipients: each number of the text area `recipients` as a chip. The text area stays what is posted, one
// number a line, and is kept in step; it tells the page of each change with an `input` event. The server reads the
// numbers and decides; what it has not read, or could not be asked about, stays as it was typed.

import { released } from "./pointer.js";
import { editChip } from "./recipients-chip.js";
import { shortenErrors } from "./recipients-errors.js";
import { entriesIn, isWrong, Items, SEPARATORS, spelled } from "./recipients-items.js";
import { askAbout } from "./recipients-lookup.js";
import { Posted } from "./recipients-posted.js";
import { learnReach, showReach } from "./recipients-reach.js";
import { View } from "./recipients-view.js";
import { counted } from "./recipients-words.js";

// With fewer digits a number is still being typed: the page is not asked what it costs.
const DIGITS_OF_A_NUMBER = 8;

const root = document.querySelector("[data-recipients]");
const words = root.dataset;
const area = root.querySelector("textarea");
const { id } = area;
const items = new Items();
const view = new View(root, items, words);
const { box, list, input } = view;
const posted = new Posted(area, items, input);

let asList = false;
// What is said below the chips until something else happens, and what "Remove all" took away.
let event = "";
let removed = null;
function happened(sentence, taken = null) {
  event = sentence;
  removed = taken;
}

function render() {
  const unspelled = view.render({ asList, event, undo: removed !== null });
  showReach(items.regions, words);
  if (unspelled.length > 0) spell(unspelled);
}

function digitsIn(text) {
  return text.match(/\d/g)?.length ?? 0;
}

// --- Reading -------------------------------------------------------------------------------------

function add(text, { at, quiet = false } = {}) {
  const item = items.add(text, at);
  if (item === null) return null;
  happened("");
  read(item, quiet);
  return item;
}

async function read(item, quiet = false) {
  items.change(item, { state: "reading" });
  let answer = null;
  try {
    answer = await askAbout(item.raw, root);
  } catch {
    // The network, a session that has ended: what was typed stays, is posted as it is, and the page says so.
  }
  await released();
  // Removed, or corrected in the list, in the meantime.
  if (asList || !items.all.includes(item)) return;
  if (answer === null) items.change(item, { state: "unread" });
  else if (answer.error) items.change(item, { state: "wrong", reason: answer.error });
  else resolve(item, answer);
  render();
  const wrong = items.all.filter(isWrong).length;
  if (wrong > 0) shortenErrors(id, input, wrong, words, () => view.focusItem(items.all.find(isWrong)));
  view.say(event);
  if (quiet) posted.respell();
  else posted.tell();
}

function resolve(item, answer) {
  learnReach(answer.reach);
  const focused = item.element?.contains(document.activeElement);
  const { fresh, merged } = items.resolve(item, answer);
  if (merged > 0) happened(counted(words, "Merged", merged));
  if (focused) {
    render();
    view.focusItem(fresh[0]);
  }
}

// The spelling of numbers of a long list, when they come into sight.
async function spell(unspelled) {
  for (const item of unspelled) item.shown = item.e164;
  const text = unspelled.map((item) => item.e164).join("\n");
  // Without an answer they stay as they are, which is a number too.
  const answer = await askAbout(text, root).catch(() => null);
  if (!answer?.items) return;
  const found = new Map(answer.items.map((item) => [item.e164, item.shown]));
  for (const item of unspelled) item.shown = found.get(item.e164) ?? item.shown;
  await released();
  render();
}

// --- Chips ---------------------------------------------------------------------------------------

// `focus` is the chip that gets the focus in the place of the one that goes.
function remove(item, focus = null) {
  const focused = list.contains(document.activeElement);
  items.remove(item);
  happened("");
  render();
  if (focused) view.focusItem(focus);
  view.say(words.textRemoved.replace("{number}", spelled(item).slice(0, 60)));
  posted.tell();
}

function neighbour(chip, back = false) {
  const { chips } = view;
  const index = chips.indexOf(chip);
  return (chips[index + (back ? -1 : 1)] ?? chips[index + (back ? 1 : -1)])?.item;
}

function edit(item) {
  // A text of many numbers is corrected where there is room for it.
  if (item.count > 1) {
    showList();
    return;
  }
  const before = spelled(item);
  view.editing = item;
  editChip(item, words, {
    typed(text) {
      items.change(item, { draft: text });
      posted.tellSoon();
    },
    done(text, { byKey, cancelled }) {
      view.editing = null;
      items.change(item, { draft: undefined, look: null });
      if (asList || !items.all.includes(item)) return;
      const next = neighbour(item.element);
      if (cancelled || text === before) {
        render();
        if (byKey) view.focusItem(item);
      } else if (entriesIn(text).length === 0) {
        remove(item);
        if (byKey) view.focusItem(next);
      } else {
        const at = items.all.indexOf(item);
        items.remove(item);
        const corrected = add(text, { at });
        render();
        if (byKey) view.focusItem(corrected);
      }
      posted.tell();
    },
  });
}

list.addEventListener("click", (click) => {
  const button = click.target.closest("button");
  if (!button) return;
  const item = view.itemOf(button);
  if (button.matches("[data-chip-main]")) edit(item);
  else {
    button.focus();
    remove(item, neighbour(item.element));
  }
});

list.addEventListener("keydown", (key) => {
  if (!key.target.matches("button") || key.altKey || key.ctrlKey || key.metaKey) return;
  const { chips } = view;
  const chip = key.target.closest(".chip");
  const index = chips.indexOf(chip);
  const moves = { ArrowLeft: index - 1, ArrowUp: index - 1, ArrowRight: index + 1, ArrowDown: index + 1, Home: 0 };
  if (key.key in moves) view.focus(chips[Math.max(0, moves[key.key])] ?? null);
  else if (key.key === "End") input.focus();
  else if (key.key === "F2") edit(chip.item);
  else if (key.key === "Delete" || key.key === "Backspace") {
    remove(chip.item, neighbour(chip, key.key === "Backspace"));
  } else return;
  key.preventDefault();
});

// --- Typing and pasting --------------------------------------------------------------------------

function commit(text = input.value) {
  input.value = "";
  if (add(text) === null) return;
  render();
  posted.tell();
}

input.addEventListener("keydown", (key) => {
  if (key.isComposing) return;
  const atStart = input.selectionStart === 0 && input.selectionEnd === 0;
  if (key.key === "Enter") {
    // With Ctrl it sends the form, which takes the text as it stands.
    if (!key.ctrlKey && !key.metaKey) key.preventDefault();
    commit();
  } else if (atStart && (key.key === "ArrowLeft" || (key.key === "Backspace" && !key.repeat))) {
    const last = view.chips.at(-1);
    if (!last) return;
    key.preventDefault();
    view.focus(last);
  }
});

input.addEventListener("input", (typing) => {
  if (!typing.isComposing && SEPARATORS.test(input.value)) {
    // What follows the last separator may still be typed on.
    const rest = input.value.split(SEPARATORS).at(-1);
    commit(input.value.slice(0, input.value.length - rest.length));
    input.value = rest.trimStart();
  }
  view.explain(asList);
  if (input.value.trim() === "" || digitsIn(input.value) >= DIGITS_OF_A_NUMBER) posted.tellSoon();
});

input.addEventListener("blur", async () => {
  // When another window comes to the front, the number is still being typed.
  if (document.activeElement === input) return;
  await released();
  if (document.activeElement !== input) commit();
});

// A field of one line would join the lines that are pasted or dropped.
function take(text, happening) {
  const { target } = happening;
  if (!text) return;
  if (target.matches(".chip-edit")) {
    if (!SEPARATORS.test(text)) return;
    happening.preventDefault();
    target.setRangeText(text.trim().split(SEPARATORS).join(", "), target.selectionStart, target.selectionEnd, "end");
    target.dispatchEvent(new Event("input", { bubbles: true }));
    return;
  }
  const whole = input.value.trim() === "" && digitsIn(text) >= DIGITS_OF_A_NUMBER;
  if (!whole && !SEPARATORS.test(text)) return;
  happening.preventDefault();
  commit(input.value.slice(0, input.selectionStart) + text + input.value.slice(input.selectionEnd));
}
box.addEventListener("paste", (paste) => take(paste.clipboardData?.getData("text/plain"), paste));
box.addEventListener("drop", (drop) => take(drop.dataTransfer?.getData("text/plain"), drop));
box.addEventListener("click", (click) => {
  if (click.target === box || click.target === list) input.focus();
});

// The page knows one field only, the text area.
for (const kind of ["input", "change"]) box.addEventListener(kind, (inside) => inside.stopPropagation());
// A number typed by half, which the page was not told of, is sent and kept in its draft like all else.
area.form.addEventListener("submit", () => posted.tell(), { capture: true });
window.addEventListener("pagehide", () => posted.tell());

// --- Chips or a list -----------------------------------------------------------------------------

// The label, the help, the links of errors: all go to the field that is in sight.
function show(list) {
  asList = list;
  box.hidden = asList;
  area.hidden = !asList;
  const [shown, other] = asList ? [area, input] : [input, area];
  const notes = (other.getAttribute("aria-describedby") ?? shown.getAttribute("aria-describedby") ?? "").split(" ");
  const kept = notes.filter((note) => note && note !== "recipients-keys");
  other.removeAttribute("id");
  other.removeAttribute("aria-describedby");
  shown.id = id;
  shown.setAttribute("aria-describedby", [...kept, ...(asList ? [] : ["recipients-keys"])].join(" "));
}

function showList() {
  posted.tell();
  input.value = "";
  view.editing = null;
  happened("");
  show(true);
  render();
  area.focus();
  area.setSelectionRange(0, 0);
  area.scrollTop = 0;
}

// The value of the text area, set by somebody else, as chips.
function redraw() {
  const text = posted.take();
  input.value = "";
  items.all = [];
  happened("");
  show(false);
  add(text, { quiet: true });
  render();
}

view.part("toggle").addEventListener("click", () => {
  if (!asList) showList();
  else {
    redraw();
    input.focus();
  }
});

view.part("empty").addEventListener("click", () => {
  const taken = items.all;
  items.all = [];
  happened(counted(words, "Emptied", taken.reduce((sum, item) => sum + (item.count ?? 1), 0)), taken);
  render();
  view.part("undo").focus();
  view.say(event);
  posted.tell();
});

view.part("undo").addEventListener("click", () => {
  items.all = [...removed, ...items.all];
  happened("");
  render();
  input.focus();
  view.say(words.textRestored);
  posted.tell();
});

view.part("retry").addEventListener("click", () => {
  for (const item of items.all) if (item.state === "unread") read(item);
  render();
  input.focus();
});

// A reader of the account sees the field as it is.
if (!area.matches(":disabled")) {
  const focused = document.activeElement === area;
  area.classList.add("recipients-list");
  area.rows = 8;
  if (area.getAttribute("aria-invalid")) input.setAttribute("aria-invalid", "true");
  area.addEventListener("recipients-set", redraw);
  redraw();
  if (focused) input.focus();
}
