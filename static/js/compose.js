// The compose page: counter, preview, draft and keys. The server counts and prices again: it decides.

import { segment } from "./segments.js";

// GSM twins of the characters that word processors put in.
const TWINS = new Map(Object.entries({
  "’": "'", "‘": "'", "‚": ",", "‛": "'", "′": "'", "`": "'", "´": "'",
  "“": '"', "”": '"', "„": '"', "″": '"', "«": '"', "»": '"', "‹": "'", "›": "'",
  "…": "...", "–": "-", "—": "-", "‑": "-", "‐": "-", "−": "-", "•": "-", "·": ".",
  "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u200a": " ", "\u2003": " ", "\u2002": " ", "\t": " ",
  "\u200b": "", "\u00ad": "", "\ufeff": "",
  "œ": "oe", "Œ": "OE", "ç": "c", "ê": "e", "ë": "e", "â": "a", "á": "a", "î": "i", "ï": "i", "í": "i",
  "ô": "o", "ó": "o", "û": "u", "ú": "u", "ÿ": "y", "À": "A", "Â": "A", "È": "E", "Ê": "E", "Ë": "E",
  "Î": "I", "Ï": "I", "Ô": "O", "Ù": "U", "Û": "U", "²": "2", "³": "3", "°": "o", "©": "(c)", "®": "(r)",
  "™": "(tm)", "×": "x",
}));
const SPACES = new Set(["\u00a0", "\u202f", "\u2009", "\u200a"]);

const form = document.querySelector("[data-composer]");
const words = form.dataset;
const plural = new Intl.PluralRules(words.lang);
const number = new Intl.NumberFormat(words.lang);
const field = (name) => form.elements.namedItem(name);
const part = (name) => document.querySelector(`[data-${name}]`);
const clauseSenders = new Set(JSON.parse(document.getElementById("clause-senders").textContent).map(String));

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? number.format(values[key]) : whole));
}

function counted(name, n) {
  return fill(plural.select(n) === "one" ? words[`text${name}One`] : words[`text${name}Other`], { n });
}

// --- Counter and preview -------------------------------------------------------------------------

function clause() {
  const commercial = !field("not_commercial").checked;
  return commercial && clauseSenders.has(field("sender").value) ? words.stopClause : "";
}

function show() {
  const body = field("text").value;
  const added = clause();
  const segments = segment(body + added);
  part("counter").hidden = body === "";
  part("counter-sms").textContent = counted("Sms", segments.count);
  part("counter-left").textContent = counted("Left", segments.left);
  part("counter-encoding").textContent = segments.encoding === "gsm7" ? words.textGsm7 : words.textUcs2;

  const most = Number(words.maxParts);
  const tooLong = part("too-long");
  tooLong.hidden = segments.count <= most;
  tooLong.textContent = tooLong.hidden ? "" : fill(words.textTooLong, { max: most });

  showForced(body, added, segments);
  showPreview(body, added, segments);
}

function showForced(body, added, segments) {
  const forced = [...new Set(segments.forced.map(([, character]) => character))];
  part("forced").hidden = forced.length === 0;
  if (forced.length === 0) return;
  part("forced-lead").textContent = words.textForced;
  part("forced-list").replaceChildren(
    ...forced.slice(0, 12).map((character) => {
      const key = document.createElement("kbd");
      key.textContent = SPACES.has(character) ? words.textNbsp : character;
      return key;
    }),
  );
  const after = segment(replaced(body) + added);
  const button = part("forced-replace");
  button.hidden = !forced.some((character) => TWINS.has(character));
  button.textContent =
    after.count < segments.count
      ? fill(words.textReplaceSaving, { before: segments.count, after: after.count })
      : words.textReplace;
}

function replaced(text) {
  return Array.from(text.normalize("NFC"), (character) => TWINS.get(character) ?? character).join("");
}

function showPreview(body, added, segments) {
  const list = part("preview");
  part("preview-empty").hidden = body !== "";
  part("preview-clause").hidden = body === "" || added === "";
  const option = field("sender").selectedOptions[0];
  if (option) part("preview-sender").textContent = option.textContent.trim();
  if (body === "") {
    list.replaceChildren();
    return;
  }
  // The clause is marked wherever the parts cut it: what is left of it is counted from the end.
  let before = body.length;
  const shown = segments.parts.slice(0, 12).map((text, index) => {
    const item = document.createElement("li");
    const bubble = document.createElement("p");
    const own = Math.max(0, Math.min(before, text.length));
    before -= text.length;
    bubble.append(text.slice(0, own));
    if (own < text.length) {
      const mark = document.createElement("mark");
      mark.textContent = text.slice(own);
      bubble.append(mark);
    }
    item.append(bubble);
    if (segments.count > 1) {
      const label = document.createElement("small");
      label.textContent = fill(words.textPart, { n: index + 1, total: segments.count });
      item.append(label);
    }
    return item;
  });
  list.replaceChildren(...shown);
}

part("forced-replace").addEventListener("click", () => {
  const text = field("text");
  text.focus();
  text.value = replaced(text.value);
  text.dispatchEvent(new Event("input", { bubbles: true }));
});

// --- Date and time -------------------------------------------------------------------------------

function showMoment() {
  const later = form.querySelector("[data-when='later']").checked;
  for (const name of ["date", "time"]) field(name).disabled = !later;
}

// --- Draft ---------------------------------------------------------------------------------------

// A browser may refuse storage altogether: then there is no draft, and all else works.
const shelf = (() => {
  try {
    return window.localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {}, removeItem: () => {} };
  }
})();
const KEPT = ["sender", "recipients", "text", "not_commercial", "when", "date", "time", "message_class"];

// Nothing typed yet. In an answer, the number of the one who is answered stands there already.
function empty() {
  return field("text").value === "" && ["", words.to].includes(field("recipients").value);
}

function save() {
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

function keptDraft() {
  try {
    const draft = JSON.parse(shelf.getItem(words.draft));
    if (typeof draft === "object") return draft;
  } catch {
    // Damaged: as good as none.
  }
  shelf.removeItem(words.draft);
  return null;
}

function restore() {
  if (words.bound === "true" || !empty()) return;
  const draft = keptDraft();
  if (draft === null) return;
  for (const name of KEPT) {
    if (!(name in draft)) continue;
    if (name === "not_commercial") field(name).checked = draft[name];
    else if (name !== "sender" || form.querySelector(`option[value="${CSS.escape(String(draft[name]))}"]`)) {
      field(name).value = draft[name];
    }
  }
  if (draft.when === "later" || (draft.message_class && draft.message_class !== "standard")) {
    document.getElementById("advanced").open = true;
  }
  const again = document.createElement("button");
  again.type = "button";
  again.className = "link-button";
  again.textContent = words.textDiscard;
  again.addEventListener("click", () => {
    shelf.removeItem(words.draft);
    location.assign(location.pathname + location.search);
  });
  part("draft-note").append(words.textRestored, again);
}

// --- Errors of the last answer -------------------------------------------------------------------

// The moment is one thing in three fields: correcting one may correct the error of another.
const TOGETHER = new Map(["when", "date", "time"].map((name) => [name, ["when", "date", "time"]]));

// What is being corrected is wrong no more, as far as anybody knows before the next answer.
function settle(changed) {
  for (const name of TOGETHER.get(changed) ?? [changed]) {
    const id = CSS.escape(`id_${name}`);
    document.getElementById(`id_${name}_error`)?.remove();
    for (const input of form.querySelectorAll(`[name="${CSS.escape(name)}"], #${id}`)) {
      input.classList.remove("is-invalid");
      input.removeAttribute("aria-invalid");
      const notes = (input.getAttribute("aria-describedby") ?? "").split(" ");
      const left = notes.filter((note) => note !== `id_${name}_error`).join(" ");
      if (left) input.setAttribute("aria-describedby", left);
      else input.removeAttribute("aria-describedby");
    }
    // The link to a group of radio buttons may name the first of them.
    for (const link of document.querySelectorAll(`#errors a[href="#id_${name}"], #errors a[href^="#id_${name}_"]`)) {
      link.closest("li").remove();
    }
  }
  const banner = document.getElementById("errors");
  if (banner === null) return;
  const left = banner.querySelectorAll("li").length;
  if (left === 0) {
    banner.remove();
    return;
  }
  const title = left === 1 ? banner.dataset.one : fill(banner.dataset.other, { n: left });
  banner.querySelector("[data-count]").textContent = title;
}

// --- Sending -------------------------------------------------------------------------------------

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit(part("send"));
  }
});

// Enter in a one-line field would press the first button of the form, which is Check.
form.addEventListener("submit", (event) => {
  if (event.submitter !== part("send") || form.dataset.sent === "true") return;
  save();
  part("send").setAttribute("aria-disabled", "true");
  part("send-label").textContent = words.textSending;
});
const sendLabel = part("send-label").textContent;
window.addEventListener("pageshow", () => {
  part("send").removeAttribute("aria-disabled");
  part("send-label").textContent = sendLabel;
});

// --- The price comes from the server -------------------------------------------------------------

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, () => {
    const sentence = document.createElement("p");
    sentence.className = "quote-when";
    sentence.textContent = words.textQuoteFailed;
    document.getElementById("quote").replaceChildren(sentence);
  });
}

form.addEventListener("input", (event) => {
  show();
  settle(event.target.name);
  save();
});
form.addEventListener("change", (event) => {
  showMoment();
  show();
  settle(event.target.name);
  save();
});
restore();
showMoment();
show();
if (field("text").value !== "" && field("recipients").value !== "" && words.bound === "false") {
  // htmx starts with the document: ask once it listens.
  document.addEventListener("htmx:load", () => form.dispatchEvent(new Event("quote-wanted")), { once: true });
}
